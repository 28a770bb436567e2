"""The registration of this room with the application."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.directory.rows.backend import AccountHooks
from ostiary.grants.cascades import SWEEPS, on_session_end, on_session_moved, on_user_disabled
from ostiary.grants.tables import MIGRATIONS
from ostiary.room import Room, Service
from ostiary.sessions.sessions import Hooks

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def session_hooks(_services: ServiceRegistry) -> Hooks:
    """Return the hooks for the end of a session, and for its new key."""
    return Hooks(on_move=[on_session_moved], on_end=[on_session_end])


def account_hooks(_services: ServiceRegistry) -> AccountHooks:
    """Return the hooks for the end of an account."""
    return AccountHooks(on_ended=[on_user_disabled])


ROOM: Final = Room(
    name="grants",
    migrations=MIGRATIONS,
    sweeps=SWEEPS,
    hooks=(Service(Hooks, session_hooks), Service(AccountHooks, account_hooks)),
)
