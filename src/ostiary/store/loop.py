"""Background loops: periodic work that goes on after every error, and reports its health.

A loop that ended at an unexpected error would leave the process with stale configuration, without any sign: a client
deleted since would still get tokens.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary.store.database import StoreError

TELL_AGAIN: Final = 60.0  # seconds until the same error is logged again
STUCK: Final = 3  # bounds without a turn: the loop hangs

_log: Final = logging.getLogger("ostiary.loop")


class Loop:
    """A periodic piece of work, the times of its turns, and the error of the last one."""

    def __init__(
        self,
        name: str,
        turn: Callable[[], Awaitable[None]],
        *,
        every: float,
        bound: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`every` is the time between two turns; `bound` the longest one turn, and the age of its result, may be.

        Both are in seconds. After failures the time between turns doubles, up to half the bound.
        """
        self.name = name
        self.bound = bound
        self._turn = turn
        self._every = every
        self._clock = clock
        self._tried = self._done = clock()
        self._failures = 0
        self._logged = 0.0  # when the error was last logged
        self._error = ""
        self._ended = False

    async def run(self) -> None:
        """Take turns until cancelled. Run it as a task."""
        try:
            while not self._ended:
                pause = await self.attempt()
                await asyncio.sleep(pause)
        finally:
            self.end()

    def end(self) -> None:
        """Record that no more turns are taken."""
        self._ended = True

    async def attempt(self) -> float:
        """Take one turn, catching every error, and return the seconds until the next."""
        self._tried = self._clock()
        # guard: A77 the reader of configuration goes on after every error
        try:
            async with asyncio.timeout(self.bound):
                await self._turn()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._failed(error)  # cancelled inside, not from outside
        except Exception as error:  # noqa: BLE001 - whatever it is, the next turn may do better
            self._failed(error)
        else:
            self._succeeded()
        return min(self._every * 2.0 ** min(self._failures, 32), max(self._every, self.bound / 2))

    def age(self) -> float:
        """The seconds since the last successful turn, or since the start before the first one."""
        return self._clock() - self._done

    def trouble(self) -> str | None:
        """Return why the result of this work is stale, as text for the log; None when it is fresh."""
        # guard: A77 a stale configuration is not ready
        if self.age() <= self.bound:
            return None
        return f"{self.name}: nothing succeeded for {self.age():.0f} s ({self._error or 'no turn has ended'})"

    def is_dead(self) -> bool:
        """Tell whether the loop ended or hangs, so that only a restart helps."""
        return self._ended or self._clock() - self._tried > STUCK * self.bound

    def _succeeded(self) -> None:
        if self._failures:
            _log.info("%s: goes on after %d failed attempts", self.name, self._failures)
        self._done = self._clock()
        self._failures, self._error = 0, ""

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        now = self._clock()
        if message == self._error and now - self._logged < TELL_AGAIN:
            return
        self._error, self._logged = message, now
        expected = isinstance(error, StoreError | TimeoutError | asyncio.CancelledError)
        _log.warning("%s: failed, trying again: %s", self.name, message, exc_info=None if expected else error)
