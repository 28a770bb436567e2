"""Work that a process does again and again until it ends: it goes on after every error, and health sees how it fares.

A loop that ended at an error nobody thought of would leave the process answering from what it knew then: a client
deleted since would go on getting tokens, and nothing would say so.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary.store.database import StoreError

TELL_AGAIN: Final = 60.0  # seconds until the same trouble is told once more
STUCK: Final = 3  # bounds without a turn: it does not even try

_log: Final = logging.getLogger("ostiary.loop")


class Loop:
    """One piece of work, the times of its turns, and what went wrong at the last one."""

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
        self._told = 0.0  # when the trouble was last written to the log
        self._error = ""
        self._ended = False

    async def run(self) -> None:
        """Take turns for ever. Run it as a task; cancel to end."""
        try:
            while not self._ended:
                pause = await self.attempt()
                await asyncio.sleep(pause)
        finally:
            self.end()

    def end(self) -> None:
        """Note that no more turns are taken."""
        self._ended = True

    async def attempt(self) -> float:
        """Take one turn, whatever comes of it, and return how long to wait until the next, in seconds."""
        self._tried = self._clock()
        # guard: A77 the reader of configuration goes on after every error
        try:
            async with asyncio.timeout(self.bound):
                await self._turn()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._failed(error)  # something inside was cancelled, not we
        except Exception as error:  # noqa: BLE001 - whatever it is, the next turn may do better
            self._failed(error)
        else:
            self._succeeded()
        return min(self._every * 2.0 ** min(self._failures, 32), max(self._every, self.bound / 2))

    def age(self) -> float:
        """How long ago the last turn succeeded, in seconds; before the first one, how long ago the start was."""
        return self._clock() - self._done

    def trouble(self) -> str | None:
        """Say, in words for the log, why what depends on this work cannot be trusted now; None when it can."""
        # guard: A77 a stale configuration is not ready
        if self.age() <= self.bound:
            return None
        return f"{self.name}: nothing succeeded for {self.age():.0f} s ({self._error or 'no turn has ended'})"

    def is_dead(self) -> bool:
        """Tell whether it ended, or tries nothing any more: only a restart helps."""
        return self._ended or self._clock() - self._tried > STUCK * self.bound

    def _succeeded(self) -> None:
        if self._failures:
            _log.info("%s: goes on after %d failed attempts", self.name, self._failures)
        self._done = self._clock()
        self._failures, self._error = 0, ""

    def _failed(self, error: BaseException) -> None:
        self._failures += 1
        told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        now = self._clock()
        if told == self._error and now - self._told < TELL_AGAIN:
            return
        self._error, self._told = told, now
        expected = isinstance(error, StoreError | TimeoutError | asyncio.CancelledError)
        _log.warning("%s: failed, trying again: %s", self.name, told, exc_info=None if expected else error)
