"""From a request to the tokens that a local model continues, and from its tokens back to text.

All backends that run a model themselves render requests here, so that one model gets one prompt wherever it runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.protocol import Message, Request
from dagster_project.language_models.weights import library

# Templates print the day and may open a block of reasoning: a prompt must not change overnight, and an answer has to
# begin with what was asked for.
TEMPLATE_ARGUMENTS = {"date_string": "26 Jul 2024", "enable_thinking": False}
TURN = {"system": "System", "user": "User", "assistant": "Assistant"}
# Tokens before an answer that decide how its first characters are written.
TAIL = 8
ANCHOR = "\n"


class Chat:
    """A tokenizer and how it lays out a conversation."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self._controls = _controls(tokenizer)

    @classmethod
    def of(cls, folder: Path) -> Chat:
        """The tokenizer of a model's folder. Raises ObservatoryError where it has none that can be read."""
        transformers = library("transformers", "transformers")
        try:
            return cls(transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True))
        except (OSError, ValueError) as error:
            raise ObservatoryError(
                f"the model's tokenizer cannot be read ({type(error).__name__}); save it beside the weights"
            ) from None

    def prompt(self, request: Request) -> list[int] | None:
        """Tokens of a request up to where the answer goes on, prefill included; None where its template refuses it.

        With the tokenizer's own template. A tokenizer without one gets a block per turn, `User: ...`, an empty line
        between blocks, and `Assistant:` at the end. Control tokens spelled out in a message are broken by a blank: a
        conversation cannot end its own turn.
        """
        messages = [Message(said.role, self.harmless(said.content)) for said in request.messages]
        if not self.tokenizer.chat_template:
            return self._ids(_plain(messages, request.prefill), special=True)
        text = self._rendered(messages)
        return None if text is None else self._ids(text + (request.prefill or ""), special=False)

    def harmless(self, text: str) -> str:
        """The text without anything that the tokenizer would read as a control token."""
        while self._controls is not None and self._controls.search(text):
            text = self._controls.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)
        return text

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as a message holds it."""
        if not texts:
            return []
        return [len(ids) for ids in self.tokenizer([self.harmless(text) for text in texts])["input_ids"]]

    def variants(self, option: str) -> set[tuple[int, ...]]:
        """Tokens of an option that follows other text, with and without a space before it."""
        word = option.lstrip(" ")
        return {self._following(word), self._following(f" {word}")}

    def text(self, prompt: Sequence[int], said: Sequence[int]) -> str:
        """Text of the tokens said after a prompt."""
        before = list(prompt[-TAIL:])
        return self._decoded([*before, *said])[len(self._decoded(before)) :]

    def _rendered(self, messages: list[Message]) -> str | None:
        from jinja2 import TemplateError

        for attempt in (messages, _without_system(messages)):
            try:
                return self.tokenizer.apply_chat_template(
                    [{"role": said.role, "content": said.content} for said in attempt],
                    tokenize=False,
                    add_generation_prompt=True,
                    **TEMPLATE_ARGUMENTS,
                )
            except TemplateError:
                continue
        return None

    def _following(self, text: str) -> tuple[int, ...]:
        # Some tokenizers put a space before whatever begins a text; after an anchor they do not.
        anchor, both = self._ids(ANCHOR, special=False), self._ids(ANCHOR + text, special=False)
        joined = both[: len(anchor)] == anchor
        return tuple(both[len(anchor) :] if joined else self._ids(text, special=False))

    def _ids(self, text: str, special: bool) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=special)["input_ids"])

    def _decoded(self, tokens: list[int]) -> str:
        return self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _controls(tokenizer: Any) -> re.Pattern[str] | None:
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    words = sorted({word for word in added | set(tokenizer.all_special_tokens) if len(word) > 1}, key=len)
    return re.compile("|".join(map(re.escape, reversed(words)))) if words else None


def _plain(messages: Sequence[Message], prefill: str | None) -> str:
    turns = [f"{TURN[said.role]}: {said.content}" for said in messages]
    return "\n\n".join([*turns, f"Assistant: {prefill}" if prefill else "Assistant:"])


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The same for a template that knows no system role: its words stand before the first of the user."""
    words = [said.content for said in messages if said.role == "system"]
    rest = [said for said in messages if said.role != "system"]
    if not words or not rest:
        return rest
    return [Message(rest[0].role, "\n\n".join([*words, rest[0].content])), *rest[1:]]
