"""What the application collects from this room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.store.database import Database
from ostiary.tasks import repository, tables
from ostiary.tasks.cleanup import Sweeper, clean_expired
from ostiary.tasks.job import Job

KINDS: Final = ()
MIGRATIONS: Final = tables.MIGRATIONS
SWEEPS: Final = (repository.sweep,)


def jobs(database: Database, sweepers: Sequence[Sweeper]) -> Sequence[Job]:
    """Return this room's jobs: the clean-up with the sweepers of all rooms."""
    return (clean_expired(database, sweepers),)
