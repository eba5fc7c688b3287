"""A BERT encoder's published weights in torch's own layers.

The libraries that read any model import several thousand modules, four seconds of every run; torch has all that
this one architecture needs (Devlin et al. 2019, section 3: post-norm layers, learned positions, exact GELU).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

# Names of a layer's parts: torch's, and those of the published files.
PARTS = {
    "self_attn.out_proj": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "linear1": "intermediate.dense",
    "linear2": "output.dense",
    "norm2": "output.LayerNorm",
}


class BertEncoder(nn.Module):
    """Token ids [B, T] to contextual states [B, T, D], for single texts (one token type)."""

    def __init__(self, config: Mapping[str, int | float]) -> None:
        """Layers of the sizes that a published `config.json` gives; their weights are still random."""
        super().__init__()
        width, epsilon = int(config["hidden_size"]), float(config["layer_norm_eps"])
        self.words = nn.Embedding(int(config["vocab_size"]), width)
        self.positions = nn.Embedding(int(config["max_position_embeddings"]), width)
        self.types = nn.Embedding(int(config["type_vocab_size"]), width)
        self.norm = nn.LayerNorm(width, eps=epsilon)
        layer = nn.TransformerEncoderLayer(
            width,
            int(config["num_attention_heads"]),
            int(config["intermediate_size"]),
            dropout=0.0,
            activation="gelu",
            layer_norm_eps=epsilon,
            batch_first=True,
        )
        self.layers = nn.TransformerEncoder(
            layer, int(config["num_hidden_layers"]), enable_nested_tensor=False
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """States of tokens [B, T]; `mask` [B, T] is true where a token is the text's own, not padding."""
        summed = self.words(tokens) + self.positions.weight[: tokens.shape[1]] + self.types.weight[0]
        return self.layers(self.norm(summed), src_key_padding_mask=~mask)


def load_bert(folder: Path) -> BertEncoder:
    """The encoder of a published folder (`config.json`, `model.safetensors`), ready to infer in float32.

    Raises KeyError or RuntimeError where the files are not those of a BERT encoder.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise KeyError("not the configuration of a BERT encoder with exact GELU")
    model = BertEncoder(config)
    published = load_file(folder / "model.safetensors")
    model.load_state_dict(_renamed(published, int(config["num_hidden_layers"])))
    return model.float().eval().requires_grad_(False)


def _renamed(published: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    ours = {
        "words.weight": published["embeddings.word_embeddings.weight"],
        "positions.weight": published["embeddings.position_embeddings.weight"],
        "types.weight": published["embeddings.token_type_embeddings.weight"],
    }
    for kind in ("weight", "bias"):
        ours[f"norm.{kind}"] = published[f"embeddings.LayerNorm.{kind}"]
        for layer in range(layers):
            mine, theirs = f"layers.layers.{layer}", f"encoder.layer.{layer}"
            projections = [
                published[f"{theirs}.attention.self.{name}.{kind}"] for name in ("query", "key", "value")
            ]
            ours[f"{mine}.self_attn.in_proj_{kind}"] = torch.cat(projections)
            for part, name in PARTS.items():
                ours[f"{mine}.{part}.{kind}"] = published[f"{theirs}.{name}.{kind}"]
    return ours
