"""What a job is. The room `tasks` runs it; any room can have some."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, Protocol

from ostiary.record import dataclass
from ostiary.store.database import Statement

MINUTE: Final = 60_000_000


class GiveUp(Exception):
    """The task cannot succeed: the worker gives it up at once instead of retrying it. The text says why."""


class Handler(Protocol):
    """Does the work of one task. Whatever it raises but GiveUp is retried later; a second run must do no harm."""

    def __call__(self, args: Mapping[str, object], *, now: int) -> Awaitable[None]:
        """Do the work. `now` is the time of the start in microseconds UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of work. `schedule` is the time between two runs in microseconds, None: only when somebody asks.

    `summary` says what it does, in one sentence without a full stop; docs/tasks.md shows it. `limit` is the longest a
    run may take in microseconds; `attempts` is how often it is tried before it is given up. `given_up` gets the
    arguments, the error and the time then, and answers what is written with the dead letter.
    """

    name: str
    handler: Handler
    summary: str = ""
    schedule: int | None = None
    limit: int = 10 * MINUTE
    attempts: int = 8
    given_up: Callable[[Mapping[str, object], str, int], Iterable[Statement]] | None = None
