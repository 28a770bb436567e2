"""The job that removes what expired, in every room."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from ostiary.store.database import Batch, Database, Statement
from ostiary.tasks.job import MINUTE, Job

NAME: Final = "clean_expired"
EVERY: Final = 15 * MINUTE

Sweeper = Callable[[int], Statement]


def clean_expired(database: Database, sweepers: Sequence[Sweeper]) -> Job:
    """Return the job. Each sweeper is given the time and answers the statement that deletes."""

    async def handler(args: Mapping[str, object], *, now: int) -> None:  # noqa: ARG001 - every handler takes arguments
        for sweeper in sweepers:
            await database.write(partial(_run, sweeper(now)))  # one by one: others write in between

    return Job(NAME, handler, schedule=EVERY)


def _run(statement: Statement) -> Batch[None]:
    yield statement
