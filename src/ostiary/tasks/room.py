"""The registration of this room with the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.room import Job, Room
from ostiary.tasks import repository, tables
from ostiary.tasks.cleanup import Sweepers, clean_expired
from ostiary.tasks.queue_measures import queue_measures

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the clean-up job, with the sweepers of all rooms."""
    return (clean_expired(services.database, services[Sweepers].every),)


ROOM: Final = Room(
    name="tasks", migrations=tables.MIGRATIONS, sweeps=(repository.sweep,), jobs=jobs, measures=queue_measures
)
