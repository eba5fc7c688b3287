"""Requests to a backend and answers from it, side by side: neither waits for the other to be complete.

The backend runs in a thread of its own and draws requests as it has room. Requests that are answered already, or
asked already by another request of the same flow, never reach it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from queue import Full, Queue
from threading import Event, Lock, Thread
from typing import Generic, TypeVar

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.budget import BudgetSpentError, Meter
from dagster_project.language_models.protocol import OptionLogprobs, Request, Response, Usage

Answer = TypeVar("Answer", Response, OptionLogprobs)
LARGEST_QUEUE = 256
PATIENCE = 0.2
# A reader who leaves waits this many seconds for the backend to let go.
FAREWELL = 5.0


@dataclass
class _Asked(Generic[Answer]):
    """A request under way: its key, what was set aside for it, and the others that ask the same."""

    request: Request
    key: str
    most: Usage
    others: list[Request] = field(default_factory=list)


@dataclass
class Flow(Generic[Answer]):
    """One pass of requests through a backend.

    prepare: gives each of some requests its key, its answer where it is known, and the most it can cost otherwise.
    send: the backend; it gets requests one by one and yields their answers. finish: checks an answer, and keeps it.
    """

    identity: str
    prepare: Callable[[list[Request]], list[tuple[Request, str, Answer | None, Usage]]]
    send: Callable[[Iterable[Request]], Iterator[Answer]]
    finish: Callable[[Request, str, Answer], Answer]
    meter: Meter
    _found: Queue = field(default_factory=lambda: Queue(LARGEST_QUEUE))
    _asked: dict[str, _Asked[Answer]] = field(default_factory=dict)
    _by_key: dict[str, _Asked[Answer]] = field(default_factory=dict)
    _just_answered: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)
    _left: Event = field(default_factory=Event)
    _spent: BudgetSpentError | None = None

    def run(self, portions: Iterable[list[Request]]) -> Iterator[tuple[Request, Answer]]:
        """Request and answer of each request; whoever reads may stop at any time.

        Raises what the backend raised, and BudgetSpentError at the end where requests were left because of it.
        """
        thread = Thread(target=self._work, args=(portions,), name="language-model", daemon=True)
        thread.start()
        try:
            while (item := self._found.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                request, answer = item
                if answer.cached:
                    self.meter.recall(self.identity)
                    yield request, answer
                else:
                    yield from self._settle(request, answer)
        finally:
            self._left.set()
            thread.join(FAREWELL)
        if self._spent is not None:
            raise self._spent

    def _settle(self, request: Request, answer: Answer) -> Iterator[tuple[Request, Answer]]:
        asked = self._asked[request.id]
        self.meter.settle(self.identity, asked.most, answer.usage)
        answer = self.finish(request, asked.key, answer)
        with self._lock:
            del self._asked[request.id], self._by_key[asked.key]
            self._just_answered.add(asked.key)
        yield request, answer
        for other in asked.others:
            if answer.fault is None:
                self.meter.recall(self.identity)
            same = replace(answer, id=other.id, usage=Usage(), cached=True)
            yield other, same if answer.fault else self.finish(other, asked.key, same)

    def _work(self, portions: Iterable[list[Request]]) -> None:
        try:
            for answer in self.send(self._requests(portions)):
                asked = self._asked.get(answer.id)
                if asked is None:
                    raise ObservatoryError("the model's backend answered a request that was not made")
                if not self._put((asked.request, answer)):
                    return
            self._put(None)
        except BaseException as error:
            self._put(error)

    def _requests(self, portions: Iterable[list[Request]]) -> Iterator[Request]:
        for some in portions:
            with self._lock:
                self._just_answered.clear()
            yield from self._unanswered(some)
            if self._spent is not None or self._left.is_set():
                return

    def _unanswered(self, some: list[Request]) -> Iterator[Request]:
        late: list[Request] = []
        for request, key, answer, most in self.prepare(some):
            if self._left.is_set():
                return
            if answer is not None:
                self._put((request, answer))
            elif self._joined(request, key):
                continue
            elif key in self._just_answered:
                late.append(request)
            else:
                try:
                    self.meter.reserve(self.identity, most)
                except BudgetSpentError as error:
                    self._spent = error
                    return
                self._begin(_Asked(request, key, most))
                yield request
        if late:
            with self._lock:
                self._just_answered.clear()
            yield from self._unanswered(late)

    def _joined(self, request: Request, key: str) -> bool:
        """Whether the same is being asked: then its answer is this request's, too."""
        with self._lock:
            if key in self._by_key:
                self._by_key[key].others.append(request)
            return key in self._by_key

    def _begin(self, asked: _Asked[Answer]) -> None:
        with self._lock:
            if asked.request.id in self._asked:
                raise ObservatoryError("two requests to a model carry one id")
            self._asked[asked.request.id] = self._by_key[asked.key] = asked

    def _put(self, item: object) -> bool:
        """Hand an item to the reader; False once nobody reads any more."""
        while not self._left.is_set():
            try:
                self._found.put(item, timeout=PATIENCE)
            except Full:
                continue
            return True
        return False
