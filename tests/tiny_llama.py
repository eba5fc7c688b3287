"""A language model that the tests make themselves: a Llama of two layers, untrained, and a tokenizer of its own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

SENTENCES = (
    "The people of the village ask a model for help with letters, recipes and sums.",
    "A question about the weather is answered with yes or no, or with a number from 1 to 10.",
    "Some write code, some translate a poem, and some only want to talk about their day.",
    '{"task": "write", "language": "English", "concern": 1, "private": true, "note": null}',
    "Anna wants a plan for a week in the mountains; Omar wants his essay shorter.",
    "Privacy means that nobody learns from a table what one person said.",
)
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONTROLS = ("<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>")
CONTEXT = 512


def save_tiny_llama(folder: Path, seed: int = 11, template: str | None = TEMPLATE) -> Path:
    """Write model and tokenizer to a folder, the same bytes for the same seed."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _tokenizer(template)
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer) + 2,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        # Untrained weights of the usual size say the same of every token; larger ones have opinions.
        initializer_range=0.3,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _tokenizer(template: str | None):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=_trained(),
        bos_token="<|begin|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(CONTROLS[2:5]),
    )
    tokenizer.chat_template = template
    return tokenizer


@lru_cache(maxsize=1)
def _trained():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(CONTROLS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer
