"""An OpenAI-compatible server: chat completions, models, tokens, with a fixed latency, a ceiling, and counts of calls.

What it says is decided by a face: `answer(call)` gives a text, a Completion, or a Reply with any status or misbehaviour.
In a thread: `with OpenAIServer(face) as server: server.url`. As a child process:
`python -m tests.servers.openai_server --face tests.servers.faces:echo`, which prints its address as its first line and
ends with its standard input; `GET /counts` gives the calls by the hash of their body.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import importlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any, Literal

import orjson

REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
KNOWN = {
    *("model", "messages", "temperature", "top_p", "seed", "stop", "max_tokens", "max_completion_tokens"),
    *("response_format", "logprobs", "top_logprobs"),
}
CONTINUING = {"continue_final_message", "add_generation_prompt"}


@dataclass(frozen=True)
class Call:
    """A chat completion that was asked for. key: hash of its body; times: how often it came, this time counted."""

    body: Mapping[str, Any]
    key: str
    times: int

    @property
    def prompt(self) -> str:
        """The last message of the user."""
        return next((m["content"] for m in reversed(self.body["messages"]) if m["role"] == "user"), "")

    @property
    def prefill(self) -> str:
        """How the answer is to begin."""
        last = self.body["messages"][-1]
        return last["content"] if last["role"] == "assistant" else ""

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """JSON schema of the answer."""
        return self.body.get("response_format", {}).get("json_schema", {}).get("schema")


@dataclass(frozen=True)
class Completion:
    """What a chat completion holds. top_logprobs: of the first token; model: None is the one asked for."""

    text: str | None
    finish_reason: str = "stop"
    refusal: str | None = None
    model: str | None = None
    top_logprobs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Reply:
    """An answer as bytes. manner: `reset` closes at once, `hang` never answers, `trickle` sends a byte a `pace` seconds,
    `cut` closes half-way through the body. delay: seconds before it, beside the server's own."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    manner: Literal["whole", "reset", "hang", "trickle", "cut"] = "whole"
    pace: float = 1.0
    delay: float = 0.0


Face = Callable[[Call], "str | Completion | Reply"]


@dataclass
class OpenAIServer:
    """latency: seconds of every completion; capacity: completions at once, None without a ceiling; full: what happens to
    those beyond it. kind: what the server says it is; `vllm` counts tokens and continues a last message.
    """

    face: Face
    model: str = "test-model"
    kind: str = "test"
    latency: float = 0.0
    capacity: int | None = None
    full: Literal["wait", "refuse"] = "wait"
    context_tokens: int | None = None
    calls: Counter[str] = field(default_factory=Counter)
    seen: list[tuple[float, Call]] = field(default_factory=list)
    most_at_once: int = 0
    keep_seen: bool = True
    port: int = 0
    head: bytes = b""
    """The last request line and headers."""
    _under_way: int = 0

    @property
    def url(self) -> str:
        """Address to give to a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> OpenAIServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen; on the port it had where it was stopped."""
        ready = Event()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Close every connection and stop listening."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(10)

    def _run(self, ready: Event) -> None:
        self._loop.run_until_complete(self.serve(ready.set))
        self._loop.run_until_complete(_cancel_others())
        self._loop.close()

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until it is stopped."""
        self._stopped = asyncio.Event()
        self._places = asyncio.Semaphore(self.capacity or sys.maxsize)
        listener = await asyncio.start_server(self._connection, "127.0.0.1", self.port, backlog=1024)
        self.port = listener.sockets[0].getsockname()[1]
        ready()
        await self._stopped.wait()
        listener.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.head = head
                target = head.split(b" ", 2)[1].decode()
                length = next(
                    (
                        int(line[15:])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length:")
                    ),
                    0,
                )
                body = orjson.loads(await reader.readexactly(length)) if length else {}
                if not await _send(writer, await self._reply(target, body)):
                    break
        writer.transport.abort()

    async def _reply(self, target: str, body: dict[str, Any]) -> Reply:
        if target == "/v1/chat/completions":
            return await self._completion(body)
        if target == "/v1/models":
            entry = {"id": self.model, "object": "model", "owned_by": self.kind}
            if self.context_tokens:
                entry["max_model_len"] = self.context_tokens
            return Reply(orjson.dumps({"object": "list", "data": [entry]}))
        if target == "/counts":
            return Reply(orjson.dumps({"calls": self.calls, "most_at_once": self.most_at_once}))
        if target == "/tokenize" and self.kind == "vllm":
            words = body["prompt"].split()
            return Reply(orjson.dumps({"count": len(words), "tokens": list(range(len(words)))}))
        return failure(404)

    async def _completion(self, body: dict[str, Any]) -> Reply:
        wrong = set(body) - KNOWN - (CONTINUING if self.kind == "vllm" else set())
        if wrong:
            return failure(400, "unknown_parameter")
        if body["model"] != self.model:
            return failure(404, "model_not_found")
        call = self._count(body)
        if self._under_way >= (self.capacity or sys.maxsize) and self.full == "refuse":
            return failure(429, "rate_limit_exceeded")
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            async with self._places:
                said = self.face(call)
                reply = said if isinstance(said, Reply) else self._written(call, said)
                await asyncio.sleep(self.latency + reply.delay)
            return reply
        finally:
            self._under_way -= 1

    def _count(self, body: dict[str, Any]) -> Call:
        key = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
        self.calls[key] += 1
        call = Call(body, key, self.calls[key])
        if self.keep_seen:
            self.seen.append((time.monotonic(), call))
        return call

    def _written(self, call: Call, said: str | Completion) -> Reply:
        completion = Completion(said) if isinstance(said, str) else said
        return Reply(completed(completion, completion.model or self.model, call))


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def completed(said: Completion, model: str, call: Call) -> bytes:
    """A chat completion's body."""
    message = {"role": "assistant", "content": said.text, "refusal": said.refusal}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": said.finish_reason}
    if call.body.get("logprobs"):
        ranked = sorted(said.top_logprobs.items(), key=lambda item: -item[1])
        tokens = [{"token": token, "logprob": value, "bytes": None} for token, value in ranked]
        choice["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens[: call.body["top_logprobs"]]}]}
    sent = sum(len(message["content"].split()) for message in call.body["messages"])
    usage = {"prompt_tokens": max(1, sent), "completion_tokens": len((said.text or "").split())}
    return orjson.dumps(
        {
            "id": call.key[:16],
            "object": "chat.completion",
            "model": model,
            "choices": [choice],
            "usage": usage,
        }
    )


def failure(
    status: int, code: str = "", headers: Mapping[str, str] | None = None, message: str = ""
) -> Reply:
    """An error as OpenAI's servers write it."""
    error = {"message": message or f"status {status}", "type": "error", "code": code or None}
    return Reply(orjson.dumps({"error": error}), status, headers or {})


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Send a reply; False where the connection ends with it."""
    if reply.manner == "hang":
        await asyncio.sleep(3600)
    if reply.manner == "reset":
        writer.transport.abort()
        return False
    head = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\n"
    headers = {"Content-Type": "application/json", "Content-Length": str(len(reply.body)), **reply.headers}
    written = head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
    content = written.encode() + reply.body
    if reply.manner == "trickle":
        for place in range(len(content)):
            writer.write(content[place : place + 1])
            await writer.drain()
            await asyncio.sleep(reply.pace)
    writer.write(content if reply.manner == "whole" else content[: len(content) - len(reply.body) // 2])
    await writer.drain()
    return reply.manner == "whole"


@contextmanager
def child(*options: str) -> Iterator[str]:
    """The server as a process of its own; gives its address without `/v1`."""
    import subprocess

    command = [sys.executable, "-m", "tests.servers.openai_server", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def main() -> None:
    """Serve as a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--face", default="tests.servers.faces:echo")
    parser.add_argument("--model", default="test-model")
    parser.add_argument("--kind", default="test")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--capacity", type=int)
    parser.add_argument("--full", choices=["wait", "refuse"], default="wait")
    options = vars(parser.parse_args())
    module, _, name = options.pop("face").partition(":")
    server = OpenAIServer(getattr(importlib.import_module(module), name), keep_seen=False, **options)
    with server:
        print(server.url.removesuffix("/v1"), flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
