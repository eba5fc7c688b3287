"""What the local server says: answers that follow from the request alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from tests.servers.openai_server import Call, Completion


def echo(call: Call) -> Completion:
    """Its prompt's hash; an instance of the schema where there is one; likely tokens where they are asked for."""
    seed = hashlib.sha256(f"{call.prompt}\n{call.body.get('seed')}".encode()).digest()
    if call.body.get("logprobs"):
        return Completion("A", top_logprobs={"A": -0.5, " A": -2.0, "B": -2.5, "The": -3.0})
    text = f"heard {seed.hex()[:16]}"
    if call.schema is not None:
        text = orjson.dumps(instance(call.schema, seed)).decode()
    return Completion(text)


def instance(schema: Mapping[str, Any], seed: bytes) -> Any:
    """A value that satisfies a schema of objects, arrays, enumerations, integers, numbers, booleans and strings."""
    if "enum" in schema:
        return schema["enum"][seed[0] % len(schema["enum"])]
    kind = schema.get("type", "string")
    if kind == "object":
        names = schema.get("properties", {})
        return {name: instance(part, _next(seed, name)) for name, part in names.items()}
    if kind == "array":
        count = max(1, schema.get("minItems", 1))
        return [instance(schema.get("items", {}), _next(seed, str(place))) for place in range(count)]
    if kind in ("integer", "number"):
        least = schema.get("minimum", 0)
        return least + seed[0] % (schema.get("maximum", least + 9) - least + 1)
    return bool(seed[0] % 2) if kind == "boolean" else f"words {seed.hex()[:8]}"


def _next(seed: bytes, name: str) -> bytes:
    return hashlib.sha256(seed + name.encode()).digest()
