"""Small exports in the shapes that the products write them, in our own words: whole files, built from a few turns."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from assets.conversations.loaders.claude_ai import NO_PARENT

STARTED = 1_750_000_000
NANOSECONDS = 10**9


def node(identity: str, parent: str | None, role: str, *parts: Any, **message: Any) -> dict[str, Any]:
    """One node of a ChatGPT conversation, as its mapping holds it."""
    content = {"content_type": "text", "parts": list(parts)}
    said = {
        "id": identity,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": float(STARTED),
        "content": content,
        "status": "finished_successfully",
        "end_turn": None,
        "weight": 1.0,
        "metadata": {"model_slug": "gpt-5"} if role == "assistant" else {},
        "recipient": "all",
        "channel": None,
    } | message
    return {"id": identity, "message": said, "parent": parent, "children": []}


def chatgpt(number: int, *turns: str, extra: tuple[dict[str, Any], ...] = (), **more: Any) -> dict[str, Any]:
    """A ChatGPT conversation: the root without a message, then the turns, the user first; `extra` adds nodes."""
    nodes = [{"id": "root", "message": None, "parent": None, "children": []}]
    for index, turn in enumerate(turns):
        nodes.append(node(f"n{index}", nodes[-1]["id"], "user" if index % 2 == 0 else "assistant", turn))
    return {
        "title": "Untitled",
        "create_time": STARTED + number + 0.25,
        "update_time": STARTED + number + 90.5,
        "mapping": {entry["id"]: entry for entry in (*nodes, *extra)},
        "moderation_results": [],
        "current_node": nodes[-1]["id"],
        "conversation_id": f"chat-{number}",
        "id": f"chat-{number}",
        "gizmo_id": None,
        "default_model_slug": "auto",
        "is_archived": False,
    } | more


def claude(number: int, *turns: str, account: str = "acc-1", **more: Any) -> dict[str, Any]:
    """A Claude.ai conversation of turns, the human first, each message with its parent."""
    messages = []
    for index, turn in enumerate(turns):
        messages.append(
            {
                "uuid": f"m{index}",
                "text": turn,
                "content": [{"start_timestamp": None, "type": "text", "text": turn, "citations": []}],
                "sender": "human" if index % 2 == 0 else "assistant",
                "created_at": "2025-06-15T10:00:00.250000Z",
                "updated_at": "2025-06-15T10:00:00.250000Z",
                "attachments": [],
                "files": [],
                "parent_message_uuid": f"m{index - 1}" if index else NO_PARENT,
            }
        )
    return {
        "uuid": f"claude-{number}",
        "name": "Untitled",
        "created_at": "2025-06-15T10:00:00.250000Z",
        "updated_at": "2025-06-15T11:00:00Z",
        "account": {"uuid": account},
        "chat_messages": messages,
    } | more


def observation(trace: str, second: int, asked: Any, answered: Any, **more: Any) -> dict[str, Any]:
    """A Langfuse generation, as the blob export of enriched observations has it."""
    return {
        "id": f"{trace}-{second}",
        "trace_id": trace,
        "project_id": "p",
        "environment": "default",
        "type": "GENERATION",
        "parent_observation_id": None,
        "name": "answer",
        "start_time": f"2025-06-15 10:{second // 60:02d}:{second % 60:02d}.250000",
        "end_time": f"2025-06-15 10:{second // 60:02d}:{second % 60:02d}.750000",
        "input": asked if isinstance(asked, str) else json.dumps(asked),
        "output": answered if isinstance(answered, str) else json.dumps(answered),
        "metadata": {},
        "provided_model_name": "gpt-5",
        "user_id": "u1",
        "session_id": None,
        "trace_name": "chat",
        "tags": [],
    } | more


def span(trace: str, second: int, attributes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A span as one JSON line, its attributes flat."""
    return {
        "name": "call",
        "context": {"trace_id": trace, "span_id": f"s{second}"},
        "parent_id": None,
        "start_time": f"2025-06-15T10:{second // 60:02d}:{second % 60:02d}.250000+00:00",
        "end_time": f"2025-06-15T10:{second // 60:02d}:{second % 60:02d}.750000+00:00",
        "attributes": attributes,
        "events": [],
    } | more


def any_value(value: Any) -> dict[str, Any]:
    """A value as OTLP JSON writes it."""
    if isinstance(value, dict):
        return {
            "kvlistValue": {"values": [{"key": key, "value": any_value(item)} for key, item in value.items()]}
        }
    if isinstance(value, list):
        return {"arrayValue": {"values": [any_value(item) for item in value]}}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": value}


def otlp(*spans: dict[str, Any]) -> dict[str, Any]:
    """Spans made by `span`, as one line of an OTLP JSON file."""
    written = [
        {
            "traceId": each["context"]["trace_id"],
            "spanId": each["context"]["span_id"],
            "name": each["name"],
            "kind": 3,
            "startTimeUnixNano": str((STARTED + int(each["context"]["span_id"][1:])) * NANOSECONDS),
            "endTimeUnixNano": str((STARTED + int(each["context"]["span_id"][1:]) + 1) * NANOSECONDS),
            "attributes": [
                {"key": key, "value": any_value(value)} for key, value in each["attributes"].items()
            ],
            "events": [
                {
                    "timeUnixNano": str(STARTED * NANOSECONDS),
                    "name": event["name"],
                    "attributes": [{"key": k, "value": any_value(v)} for k, v in event["attributes"].items()],
                }
                for event in each["events"]
            ],
        }
        for each in spans
    ]
    return {
        "resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": written}]}]
    }


def openinference(*messages: tuple[str, str], session: str = "sess", **more: Any) -> dict[str, Any]:
    """Attributes of an LLM span by OpenInference, flattened; the last message is the answer."""
    attributes = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-5",
        "session.id": session,
        "user.id": "u1",
    }
    for index, (role, content) in enumerate(messages[:-1]):
        attributes[f"llm.input_messages.{index}.message.role"] = role
        attributes[f"llm.input_messages.{index}.message.content"] = content
    attributes["llm.output_messages.0.message.role"] = messages[-1][0]
    attributes["llm.output_messages.0.message.content"] = messages[-1][1]
    return attributes | more


def genai(*messages: tuple[str, str], session: str = "sess", **more: Any) -> dict[str, Any]:
    """Attributes of a chat span by OpenTelemetry since 1.37; the last message is the answer."""
    parts = [{"role": role, "parts": [{"type": "text", "content": content}]} for role, content in messages]
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.conversation.id": session,
        "user.id": "u1",
        "gen_ai.input.messages": json.dumps(parts[:-1]),
        "gen_ai.output.messages": json.dumps([{**parts[-1], "finish_reason": "stop"}]),
    } | more


def write_zip(path: Path, members: dict[str, Any]) -> Path:
    """A zip of members, each JSON (or bytes that stand for themselves)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return path
