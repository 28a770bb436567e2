"""The deadline of a client: one timer, which is moved rarely, however often the deadline is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Deadline:
    """Calls `expired` when the deadline has passed. An earlier timer stays: it checks the deadline again."""

    __slots__ = ("_at", "_expired", "_loop", "_timer", "_timer_at")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self._at: float | None = None  # in loop time
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    def set(self, seconds: float | None) -> None:
        """Set the deadline, in seconds from now; None for none."""
        if seconds is None:
            self._at = None
            return
        self._at = due = self._loop.time() + seconds
        if self._timer is not None and self._timer_at <= due:
            return  # the timer checks the deadline again
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_at = self._loop.call_at(due, self._check), due

    def end(self) -> None:
        """Remove the deadline and its timer."""
        self._at = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._at is None:
            return
        if self._at <= self._loop.time() + 0.001:
            self._expired()
        else:
            self._timer, self._timer_at = self._loop.call_at(self._at, self._check), self._at
