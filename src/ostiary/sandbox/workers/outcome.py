"""The outcome of a run."""

from __future__ import annotations

from enum import Enum

from ostiary.record import dataclass


class AbortReason(Enum):
    """The reason why a run was aborted. The values are the labels of the metric."""

    TIME = "time"  # computed too long, or passed its deadline
    MEMORY = "memory"
    RECURSION = "recursion"
    OUTPUT = "output"  # printed too much
    CALLS = "calls"  # called the host too often, or started too many runs inside each other
    RESULT = "result"  # the value is too large, or none that can leave the sandbox
    ERROR = "error"  # the program raised an exception, or is not one
    CRASHED = "crashed"  # the worker died
    BUSY = "busy"  # no worker was free in time
    UNAVAILABLE = "unavailable"  # no worker can be started


@dataclass(frozen=True, slots=True)
class Returned:
    """A program returned a value: plain data, and the host objects that it was given.

    `printed` is its output. `seconds` is the whole time in the worker and in host functions.
    """

    value: object
    printed: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Aborted:
    """A program was aborted. `message` is only for administrators, as it may contain data of the program.

    `frames` are the places where the exception came through, as lines and columns of the program's source counted from
    1, the innermost last.
    """

    reason: AbortReason
    message: str
    frames: tuple[tuple[int, int], ...] = ()
    printed: str = ""
    seconds: float = 0.0

    @property
    def line(self) -> int | None:
        """The line where the exception arose; None when it has none."""
        return self.frames[-1][0] if self.frames else None


Outcome = Returned | Aborted
