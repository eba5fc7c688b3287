"""Records of the sample: a planned conversation written out, with its surroundings and its canaries planted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from dagster_project.sample.canaries import Canary, carrier, label, noted, tool_record
from dagster_project.sample.dialogue import Dialogue
from dagster_project.sample.texts import Language, Texts, Topic

Record = dict[str, Any]
SYSTEM_PROMPTS, TITLES, TOOLS = 0.12, 0.3, 0.04


class Recorder:
    """Writes records; `draws` supplies all chance."""

    def __init__(self, texts: Texts, seed: int, draws: Iterator[float]) -> None:
        """Keep what every record of a slice shares."""
        self.texts, self.seed, self.draws = texts, seed, draws
        self.models = list(texts.traffic.models)

    def record(
        self, number: int, user: str, seconds: int, model: int, turns: int, language: int, topic: int,
        canaries: Sequence[Canary],
    ) -> Record:  # fmt: skip
        """One record: identifiers and time as planned, messages and title written, canaries planted."""
        spoken, about = self.texts.languages[language], self.texts.topics[topic]
        if any(canary.disguise == "split_turns" for canary in canaries):
            turns = max(2, turns)
        dialogue = Dialogue(spoken, about, self.draws)
        messages = [{"role": role, "content": text} for role, text in dialogue.write(turns)]
        metadata: Record = {"title": dialogue.title} if dialogue.chance(TITLES) else {}
        if dialogue.chance(SYSTEM_PROMPTS):
            messages.insert(0, {"role": "system", "content": dialogue.pick(spoken.phrases["systems"])})
        if dialogue.chance(TOOLS):
            _insert_tool(messages, number, orjson.dumps({"status": "ok", "results": number % 7}).decode())
        for canary in canaries:
            _plant(canary, spoken, messages, metadata, dialogue.title, number)
        metadata["truth"] = _truth(about, spoken, canaries)
        return {
            "id": f"s{self.seed}-{number:08d}",
            "user": user,
            "created_at": datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "model": self.models[model],
            "messages": messages,
            "metadata": metadata,
        }


def _truth(topic: Topic, language: Language, canaries: Sequence[Canary]) -> Record:
    return {
        "topic": topic.topic,
        "subtopic": topic.subtopic,
        "language": language.code,
        "concerning": topic.concerning,
        "canaries": [canary.index for canary in canaries],
    }


def _plant(
    canary: Canary, language: Language, messages: list[Record], metadata: Record, title: str, number: int
) -> None:
    asked = [message for message in messages if message["role"] == "user"]
    first = canary.parts[0]
    if canary.place == "user":
        _append(asked[0], carrier(canary, first, language), language)
    elif canary.place == "assistant":
        answers = [message for message in messages if message["role"] == "assistant" and message["content"]]
        _append(answers[0], noted(canary, first, language), language)
    elif canary.place == "system":
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": language.phrases["systems"][0]})
        _append(messages[0], f"{label(canary, language)}: {first}", language)
    elif canary.place == "title":
        metadata["title"] = f"{metadata.get('title', title)} ({first})"
    else:
        _insert_tool(messages, number, tool_record(canary, language))
    for part in canary.parts[1:]:
        _append(asked[-1], carrier(canary, part, language), language)


def _append(message: Record, sentence: str, language: Language) -> None:
    text = message["content"]
    between = "\n\n" if text.endswith("```") else language.joiner
    message["content"] = text + between + sentence


def _insert_tool(messages: list[Record], number: int, content: str) -> None:
    """Put a tool call and its result before the last answer, in the shape of OpenAI's chat messages."""
    call = f"call_{number:08d}"
    position = max(i for i, message in enumerate(messages) if message["role"] == "user") + 1
    function = {"name": "look_up", "arguments": "{}"}
    messages[position:position] = [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": call, "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": call, "content": content},
    ]
