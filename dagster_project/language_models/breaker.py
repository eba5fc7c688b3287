"""A circuit breaker: while an endpoint is down nothing is sent but a probe, and a run ends when it stays down.

Failures in a row may lie in the requests. So after a few of them the endpoint itself is asked, by a call that costs
nothing: where it answers, requests go on and use up their own attempts; where it does not, all of them wait, none is given
up, and a restart of the server costs the run nothing but time.
Source: specs/privacy_reliability.md 2, row `endpoint down`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from dagster_project.errors import ObservatoryError
from dagster_project.language_models.protocol import Fault

FAILURES_IN_A_ROW = 3
# Requests given up one after the other without an answer between them: the endpoint lives, but does not work.
LOST_IN_A_ROW = 50
FIRST_WAIT, LONGEST_WAIT = 0.5, 15.0


class Breaker:
    """The state of one endpoint. patience: seconds that it may be down before the run ends. Of one event loop."""

    def __init__(self, host: str, patience: float, alive: Callable[[], Awaitable[bool]]) -> None:
        self._host = host
        self._patience = patience
        self._alive = alive
        self._failures = 0
        self._lost = 0
        self._turned_away_since: float | None = None
        self._probing: asyncio.Task[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether requests may be sent now."""
        return self._failures < FAILURES_IN_A_ROW and self._probing is None

    async def passage(self) -> None:
        """Return once a request may be sent. Raises ObservatoryError when the endpoint stays down."""
        if self._failures >= FAILURES_IN_A_ROW and self._probing is None:
            self._probing = asyncio.ensure_future(self._probe())
        if (probing := self._probing) is None:
            return
        try:
            await asyncio.shield(probing)
        finally:
            if probing.done() and self._probing is probing:
                self._probing, self._failures = None, 0

    def refused(self, fault: Fault) -> None:
        """A request was refused for what it asks. Raises ObservatoryError when nothing else has come for long."""
        if fault is not Fault.REJECTED:
            self.answered()
            return
        # A server that cannot take a request's form refuses them all.
        self._failures = 0
        self.lost()

    def answered(self) -> None:
        """A request was answered."""
        self._failures = self._lost = 0
        self._turned_away_since = None

    def failed(self) -> None:
        """A request found no answer, for a reason that may lie in the endpoint."""
        self._failures += 1

    def throttled(self) -> None:
        """The endpoint lives and turned a request away. Raises ObservatoryError when it does nothing else."""
        self._failures = 0
        now = time.monotonic()
        since = self._turned_away_since = self._turned_away_since or now
        if now - since > self._patience:
            self._turned_away_since = None
            raise ObservatoryError(
                f"the endpoint at {self._host} has turned every request away for {self._patience:g} s (status 429); what "
                "was answered is kept: run the same command again when it has room"
            )

    def lost(self) -> None:
        """A request was given up. Raises ObservatoryError when many were, one after the other."""
        self._lost += 1
        if self._lost >= LOST_IN_A_ROW:
            self._lost = 0
            raise ObservatoryError(
                f"the endpoint at {self._host} failed {LOST_IN_A_ROW} requests one after the other; what was answered is "
                "kept: mend it, then run the same command again"
            )

    async def _probe(self) -> None:
        began, wait = time.monotonic(), FIRST_WAIT
        while not await self._alive():
            left = self._patience - (time.monotonic() - began)
            if left <= 0:
                raise ObservatoryError(
                    f"the endpoint at {self._host} has not answered for {self._patience:g} s; what was answered is kept: "
                    "start it, then run the same command again"
                )
            await asyncio.sleep(min(left, wait * random.uniform(0.5, 1.0)))  # noqa: S311
            wait = min(LONGEST_WAIT, 2 * wait)
