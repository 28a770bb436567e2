"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.room import MINUTE, Job, Room
from ostiary.sessions import tables
from ostiary.sessions.expiry import end_expired
from ostiary.sessions.sessions import Hooks

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job that ends sessions whose time is over."""
    on_end = services[Hooks].on_end

    async def end_sessions(args: Mapping[str, object], *, now: int) -> None:
        del args
        await end_expired(services.database, on_end, now)

    summary = "Ends sessions whose time is over, as a sign-out does: what hangs on them ends, clients are notified"
    return (Job("sessions.end_expired", end_sessions, summary, schedule=MINUTE),)


ROOM: Final = Room(name="sessions", migrations=tables.MIGRATIONS, jobs=jobs)
