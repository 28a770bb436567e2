"""The one explicit list of rooms. Importing it starts nothing and opens nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from ostiary.api.room import ROOM as API
from ostiary.app.hooks import joined_hooks
from ostiary.app.metrics.database import database_measures
from ostiary.app.room import ROOM as APP
from ostiary.applications.room import ROOM as APPLICATIONS
from ostiary.blueprints.room import ROOM as BLUEPRINTS
from ostiary.brands.room import ROOM as BRANDS
from ostiary.directory.room import ROOM as DIRECTORY
from ostiary.events.room import ROOM as EVENTS
from ostiary.flows.room import ROOM as FLOWS
from ostiary.grants.room import ROOM as GRANTS
from ostiary.keys.room import ROOM as KEYS
from ostiary.mail.room import ROOM as MAIL
from ostiary.mappings.room import ROOM as MAPPINGS
from ostiary.policies.room import ROOM as POLICIES
from ostiary.portal.room import ROOM as PORTAL
from ostiary.providers.oauth2.room import ROOM as OAUTH2
from ostiary.resource import Registry, Resource
from ostiary.room import Room, Service, Sweeper
from ostiary.sandbox.room import ROOM as SANDBOX
from ostiary.sessions.room import ROOM as SESSIONS
from ostiary.signon.room import ROOM as SIGN_ON
from ostiary.store import room as store
from ostiary.store.migrations import Migration
from ostiary.tasks.room import ROOM as TASKS
from ostiary.trust.room import ROOM as TRUST

STORE: Final = Room(name="store", migrations=store.MIGRATIONS, sweeps=store.SWEEPS, measures=database_measures)
"""The value is made here: the store lies below what it is made of."""

ROOMS: Final[Sequence[Room]] = (
    STORE,
    SESSIONS,
    TASKS,
    EVENTS,
    DIRECTORY,
    MAIL,
    KEYS,
    TRUST,
    SANDBOX,
    BRANDS,
    MAPPINGS,
    POLICIES,
    GRANTS,
    FLOWS,
    SIGN_ON,
    OAUTH2,
    APPLICATIONS,
    BLUEPRINTS,
    API,
    PORTAL,
    APP,
)
"""Every room that gives something, from the floor upwards."""


def kinds_of(rooms: Iterable[Room]) -> tuple[type[Resource], ...]:
    """Return every kind of object, in the order of the rooms."""
    return tuple(kind for room in rooms for kind in room.kinds)


def migrations_of(rooms: Iterable[Room]) -> tuple[Migration, ...]:
    """Return every migration; their numbers decide the order."""
    return tuple(step for room in rooms for step in room.migrations)


def sweepers_of(rooms: Iterable[Room]) -> tuple[Sweeper, ...]:
    """Return the functions that delete expired rows."""
    return tuple(sweeper for room in rooms for sweeper in room.sweeps)


def services_of(rooms: Sequence[Room]) -> tuple[Service[Any], ...]:
    """Return every service, and the hooks of all rooms joined to one service for each class of hooks."""
    return (*(service for room in rooms for service in room.services), *joined_hooks(rooms))


KINDS: Final = kinds_of(ROOMS)
MIGRATIONS: Final = migrations_of(ROOMS)


def registry() -> Registry:
    """Return the registry of all kinds."""
    return Registry(KINDS)
