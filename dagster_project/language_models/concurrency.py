"""How many requests a server holds at once: more while that brings answers, fewer when it says stop.

Additive increase, multiplicative decrease, with a doubling start. A round is as many answers as there are places, of
requests sent since their number last changed; how fast they come is the number over their seconds (Little's law). After a
round in which all places were taken the number rises, as long as answers came faster or no later than in the fastest
round so far. It falls when the server refuses (429, 5xx), or when answers come later and no faster; where fewer places do
not bring them sooner, the answers are longer, not the server fuller, and what was fastest is forgotten. At the number
that was last refused it stays for some rounds, then feels its way up in growing steps: the server is kept at its limit
and refuses little.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import fmean, median

FIRST, MOST = 8, 256
SMALLEST_ROUND = 4
RISE = 0.05
REFUSED, REFUSED_AGAIN, SLOWER = 0.9, 0.5, 0.75
# Answers of one server differ in length; a median this much later than the best is no accident.
LATER = 1.4
FASTER = 1.05
# Answers as late as this share of what they were before a fall did not wait for a place.
UNMOVED = 0.9
ROUNDS_AT_CEILING = 16


@dataclass
class Limit:
    """The number itself; knows neither threads nor an event loop. Times are seconds of one monotonic clock."""

    value: float = FIRST
    most: int = MOST
    _doubling: bool = True
    _best_rate: float = 0.0
    _best_seconds: float = float("inf")
    _seconds_before_fall: float | None = None
    _ceiling: float = float("inf")
    _probe: float = 0.0
    _rounds_at_ceiling: int = 0
    _answers_since_fall: int = 0
    _last_fall: float = float("-inf")
    _last_change: float = float("-inf")
    _all_taken: bool = False
    _seconds: list[float] = field(default_factory=list)

    @property
    def places(self) -> int:
        """Requests that may be under way together."""
        return max(1, int(self.value))

    def taken(self, under_way: int) -> None:
        """A place was taken; `under_way` are, with this one."""
        self._all_taken = self._all_taken or under_way >= self.places

    def answered(self, started: float, now: float) -> None:
        """The request that was sent at `started` has its answer."""
        self._answers_since_fall += 1
        if started < self._last_change:
            return
        self._seconds.append(now - started)
        if len(self._seconds) >= max(SMALLEST_ROUND, self.places):
            self._end_round(now)

    def refused(self, started: float, now: float) -> None:
        """The request that was sent at `started` was refused; those sent before a fall do not lead to another."""
        if started < self._last_fall:
            return
        again = self._doubling or self._answers_since_fall < self.places
        # Refused where there was room before: there is no such number, or no longer.
        known = self.places <= self._ceiling < float("inf")
        self._ceiling = float("inf") if known else max(1.0, self.places - 1)
        self._fall(REFUSED_AGAIN if again else REFUSED, now)

    def interrupted(self) -> None:
        """Sending paused; the round says nothing."""
        self._all_taken = False
        self._seconds.clear()

    def _end_round(self, now: float) -> None:
        rate = self.places / max(1e-9, fmean(self._seconds))
        seconds, full = median(self._seconds), self._all_taken
        self.interrupted()
        if not full:
            return
        faster = rate > FASTER * self._best_rate
        if faster or seconds <= LATER * self._best_seconds:
            self._seconds_before_fall = None
            self._rise(faster, now)
        elif self._seconds_before_fall and seconds > UNMOVED * self._seconds_before_fall:
            faster, self._seconds_before_fall = True, None
        else:
            self._seconds_before_fall = seconds
            self._fall(SLOWER, now)
        if faster:
            self._best_rate, self._best_seconds = rate, seconds

    def _rise(self, faster: bool, now: float) -> None:
        self._doubling = self._doubling and faster
        before = self.places
        step = self.value if self._doubling else max(1.0, RISE * self.value, self._probe)
        if self.value < self._ceiling:
            self.value = min(self.value + step, self._ceiling, self.most)
            self._probe *= 2
        elif (waited := self._rounds_at_ceiling + 1) < ROUNDS_AT_CEILING:
            self._rounds_at_ceiling = waited
        else:
            self.value = min(self.value + 1, self.most)
            self._ceiling, self._probe = float("inf"), 2.0
        if self.places != before:
            self._last_change = now

    def _fall(self, factor: float, now: float) -> None:
        self._doubling, self._probe = False, 0.0
        self.value = max(1.0, min(self.value, self._ceiling + 1) * factor)
        self._rounds_at_ceiling = self._answers_since_fall = 0
        self._last_fall = self._last_change = now
        self.interrupted()


class Places:
    """Places on a server, given in the order they are asked for. To be used from one event loop."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = Limit(value=min(FIRST, most), most=most)
        self._clock = clock
        self._under_way = 0
        self._paused_until = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._alarm: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[float]:
        """A place, held until the block ends; gives the time at which it was had."""
        await self._have()
        try:
            started = self._clock()
            self.limit.taken(self._under_way)
            yield started
        finally:
            self._under_way -= 1
            self._serve()

    def answered(self, started: float) -> None:
        """As `Limit.answered`, now."""
        self.limit.answered(started, self._clock())

    def refused(self, started: float, pause: float | None = None) -> None:
        """As `Limit.refused`, now; no place is given for `pause` seconds where the server asked for that."""
        self.limit.refused(started, self._clock())
        if pause is not None:
            self._paused_until = max(self._paused_until, self._clock() + pause)
            self.limit.interrupted()

    async def _have(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._under_way -= 1
                self._serve()
            raise

    def _serve(self) -> None:
        pause = self._paused_until - self._clock()
        if pause > 0:
            if self._alarm is None:
                self._alarm = asyncio.get_running_loop().call_later(pause, self._resume)
            return
        while self._waiting and self._under_way < self.limit.places:
            turn = self._waiting.popleft()
            if not turn.done():
                self._under_way += 1
                turn.set_result(None)

    def _resume(self) -> None:
        self._alarm = None
        self._serve()
