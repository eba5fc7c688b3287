"""Asynchronous work behind a synchronous iterator: one thread with an event loop, and a window of items under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


class EventLoopThread:
    """An event loop in a thread of its own, started with the first work. Whatever it runs may be used from it alone."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting = Lock()

    def run(self, work: Coroutine[Any, Any, Out]) -> Out:
        """The result of a coroutine; blocks until it is there."""
        return asyncio.run_coroutine_threadsafe(work, self._started()).result()

    def spread(
        self, items: Iterable[In], work: Callable[[In], Coroutine[Any, Any, Out]], room: Callable[[], int]
    ) -> Iterator[Out]:
        """What `work` makes of each item, as it is finished. `room()` items are under way at most.

        Items are drawn by the thread that reads the results, one by one as there is room. After an error what is under
        way is cancelled, what is finished is given, and then the error is raised. A reader who leaves cancels the rest.
        """
        window: _Window[In, Out] = _Window(self._started(), work)
        source = iter(items)
        under_way, drained = 0, False
        try:
            while not drained or under_way:
                if draw := not drained and under_way < room():
                    try:
                        item = next(source)
                    except StopIteration:
                        draw, drained = False, True
                        continue
                    window.begin(item)
                    under_way += 1
                try:
                    result = window.finished.get(block=not draw)
                except Empty:
                    continue
                under_way -= 1
                if isinstance(result, BaseException):
                    window.cancel()
                    yield from window.answers()
                    raise result
                yield result
        finally:
            window.cancel()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                Thread(target=self._loop.run_forever, name=self._name, daemon=True).start()
            return self._loop


class _Window(Generic[In, Out]):
    """Items under way in an event loop, and what came of those that are finished."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[In], Coroutine[Any, Any, Out]]
    ) -> None:
        self.finished: SimpleQueue[Out | BaseException] = SimpleQueue()
        self._loop = loop
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, item: In) -> None:
        self._loop.call_soon_threadsafe(self._start, item)

    def cancel(self) -> None:
        """Cancel what is under way; what was begun and not started will not be."""
        self._loop.call_soon_threadsafe(self._cancel)

    def answers(self) -> Iterator[Out]:
        """What is finished already."""
        while True:
            try:
                result = self.finished.get(block=False)
            except Empty:
                return
            if not isinstance(result, BaseException):
                yield result

    def _start(self, item: In) -> None:
        if not self._closed:
            task = self._loop.create_task(self._do(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()

    async def _do(self, item: In) -> None:
        try:
            self.finished.put(await self._work(item))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.finished.put(error)
