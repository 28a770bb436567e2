"""What this room gives to the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.events import repository, tables
from ostiary.events.refusals import Refusals
from ostiary.events.session_events import login_event, logout_event
from ostiary.room import Room, Service
from ostiary.sessions.sessions import Hooks

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def session_hooks(_services: ServiceRegistry) -> Hooks:
    """Return what writes that somebody signed in or out."""
    return Hooks(on_begin=[login_event], on_logout=[logout_event])


ROOM: Final = Room(
    name="events",
    migrations=tables.MIGRATIONS,
    sweeps=(repository.sweep,),
    services=(Service(Refusals, lambda _: Refusals(), site=True),),
    hooks=(Service(Hooks, session_hooks),),
)
