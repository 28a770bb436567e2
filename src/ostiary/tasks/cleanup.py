"""The clean-up job, which deletes the expired rows of every room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from ostiary.record import dataclass
from ostiary.room import MINUTE, Job, Sweeper
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.sweeping import in_bites

NAME: Final = "clean_expired"
EVERY: Final = 15 * MINUTE
LIMIT: Final = 60 * MINUTE  # of one run; rows deleted by then stay deleted


@dataclass(frozen=True, slots=True)
class Sweepers:
    """The sweepers of all rooms."""

    every: Sequence[Sweeper]


def clean_expired(database: Database, sweepers: Sequence[Sweeper]) -> Job:
    """Return the job. Each sweeper takes the time and returns a statement that deletes at most one bite."""

    async def handler(args: Mapping[str, object], *, now: int) -> None:  # noqa: ARG001 - every handler takes arguments
        for sweeper in sweepers:
            await in_bites(partial(database.write, partial(_run, sweeper(now))))  # others write in between

    return Job(NAME, handler, "Deletes the expired rows of every room, in bites", schedule=EVERY, limit=LIMIT)


def _run(statement: Statement) -> Batch[int]:
    return (yield statement).count
