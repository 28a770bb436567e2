"""Background loops: periodic work that continues after errors, and reports its health.

A loop that ended at an unexpected error would leave stale configuration behind, unnoticed: a deleted client would still
get tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary.store.database import StoreError

LOG_INTERVAL: Final = 60.0  # seconds until the same error is logged again
STUCK: Final = 3  # bounds without an attempt: the loop hangs

_log: Final = logging.getLogger("ostiary.loop")


class Loop:
    """Periodic work, the times of its runs, and its last error."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        *,
        every: float,
        bound: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`every` is the interval of attempts; `bound` limits one attempt, and the age of its result. Both in seconds.

        After failures the interval doubles, up to half the bound.
        """
        self.name = name
        self.bound = bound
        self._turn = turn
        self._every = every
        self._clock = clock
        self._last_attempt = self._last_success = clock()
        self._failures = 0
        self._logged = 0.0  # when the error was last logged
        self._error = ""
        self._ended = False

    async def run(self) -> None:
        """Repeat attempts until cancelled. Run it as a task."""
        try:
            while not self._ended:
                pause = await self.attempt()
                await asyncio.sleep(pause)
        finally:
            self.end()

    def end(self) -> None:
        """Record that no more attempts follow."""
        self._ended = True

    async def attempt(self) -> float:
        """Make one attempt, catching every error, and return the seconds until the next."""
        self._last_attempt = self._clock()
        # guard: A77 the configuration reader survives every error
        try:
            async with asyncio.timeout(self.bound):
                await self._turn()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._failed(error)  # cancelled inside, not from outside
        except Exception as error:  # noqa: BLE001 - the next attempt may succeed
            self._failed(error)
        else:
            self._succeeded()
        return min(self._every * 2.0 ** min(self._failures, 32), max(self._every, self.bound / 2))

    def age(self) -> float:
        """Return the seconds since the last success, or since the start before the first one."""
        return self._clock() - self._last_success

    def trouble(self) -> str | None:
        """Return why the result of this work is stale, for the log; None when it is fresh."""
        # guard: A77 a process with a stale configuration is not ready
        if self.age() <= self.bound:
            return None
        return f"{self.name}: nothing succeeded for {self.age():.0f} s ({self._error or 'no turn has ended'})"

    def is_dead(self) -> bool:
        """Return whether the loop ended or hangs. Only a restart helps then."""
        return self._ended or self._clock() - self._last_attempt > STUCK * self.bound

    def _succeeded(self) -> None:
        if self._failures:
            _log.info("%s: goes on after %d failed attempts", self.name, self._failures)
        self._last_success = self._clock()
        self._failures, self._error = 0, ""

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        now = self._clock()
        if message == self._error and now - self._logged < LOG_INTERVAL:
            return
        self._error, self._logged = message, now
        expected = isinstance(error, StoreError | TimeoutError | asyncio.CancelledError)
        _log.warning("%s: failed, trying again: %s", self.name, message, exc_info=None if expected else error)
