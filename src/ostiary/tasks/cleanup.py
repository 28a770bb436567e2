"""The clean-up job: it deletes the expired rows of all rooms."""

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
LIMIT: Final = 60 * MINUTE  # time limit of a run; deleted rows stay deleted


@dataclass(frozen=True, slots=True)
class Sweepers:
    """The sweepers of all rooms."""

    every: Sequence[Sweeper]


def clean_expired(database: Database, sweepers: Sequence[Sweeper]) -> Job:
    """Return the job. A sweeper takes the time, and returns a statement that deletes at most one batch of rows."""

    async def handler(args: Mapping[str, object], *, now: int) -> None:  # noqa: ARG001 - every handler takes arguments
        for sweeper in sweepers:
            await in_bites(partial(database.write, partial(_run, sweeper(now))))  # other writes run between two batches

    return Job(NAME, handler, "Deletes expired rows in batches", schedule=EVERY, limit=LIMIT)


def _run(statement: Statement) -> Batch[int]:
    return (yield statement).count
