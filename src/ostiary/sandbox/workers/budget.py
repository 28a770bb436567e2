"""The budget of a run: the rest of its limits, shared with the runs that its host functions start."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ostiary.sandbox.workers.outcome import AbortReason

if TYPE_CHECKING:
    from ostiary.sandbox.workers.program import Limits


class Spent(Exception):
    """A limit is reached. The program does not see this."""

    def __init__(self, reason: AbortReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Budget:
    """Counts down from the limits. Used by one thread at a time: an outer run waits for the inner one."""

    __slots__ = ("_limits", "calls", "ends", "output", "seconds")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.seconds = limits.seconds
        self.calls = limits.calls
        self.output = limits.output
        self.ends = time.monotonic() + limits.deadline

    def check(self) -> None:
        """Raise Spent when the time is over."""
        # guard: A56 computing takes from one budget
        if self.seconds <= 0:
            raise Spent(AbortReason.TIME, f"it computed for more than {self._limits.seconds:g} seconds")
        self.remaining()

    def remaining(self) -> float:
        """Return the seconds until the deadline. Raises Spent."""
        left = self.ends - time.monotonic()
        # guard: A56 a run has a deadline
        if left <= 0:
            raise Spent(AbortReason.TIME, f"it took more than {self._limits.deadline:g} seconds")
        return left

    def called(self) -> None:
        """Take one call of the host. Raises Spent."""
        self.calls -= 1
        # guard: A56 calls of the host are counted
        if self.calls < 0:
            raise Spent(AbortReason.CALLS, f"it called the host more than {self._limits.calls} times")

    def printed(self, characters: int) -> None:
        """Take output. Raises Spent."""
        self.output -= characters
        # guard: A56 output is counted
        if self.output < 0:
            raise Spent(AbortReason.OUTPUT, f"it printed more than {self._limits.output} characters")
