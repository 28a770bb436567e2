"""The one explicit list of rooms. Importing it starts nothing and opens nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ostiary.api.room import ROOM as API
from ostiary.applications.room import ROOM as APPLICATIONS
from ostiary.blueprints.room import ROOM as BLUEPRINTS
from ostiary.brands.room import ROOM as BRANDS
from ostiary.directory.room import ROOM as DIRECTORY
from ostiary.events.room import ROOM as EVENTS
from ostiary.flows.room import ROOM as FLOWS
from ostiary.grants.room import ROOM as GRANTS
from ostiary.keys.room import ROOM as KEYS
from ostiary.mappings.room import ROOM as MAPPINGS
from ostiary.policies.room import ROOM as POLICIES
from ostiary.portal.room import ROOM as PORTAL
from ostiary.providers.oauth2.room import ROOM as OAUTH2
from ostiary.resource import Registry, Resource
from ostiary.room import Room, Sweeper
from ostiary.sessions.room import ROOM as SESSIONS
from ostiary.store import room as store
from ostiary.store.migrations import Migration
from ostiary.tasks.room import ROOM as TASKS
from ostiary.trust.room import ROOM as TRUST

STORE: Final = Room(name="store", migrations=store.MIGRATIONS, sweeps=store.SWEEPS)
"""The value is made here: the store lies below what it is made of."""

ROOMS: Final[Sequence[Room]] = (
    STORE,
    SESSIONS,
    TASKS,
    EVENTS,
    DIRECTORY,
    KEYS,
    TRUST,
    BRANDS,
    MAPPINGS,
    POLICIES,
    GRANTS,
    FLOWS,
    OAUTH2,
    APPLICATIONS,
    BLUEPRINTS,
    API,
    PORTAL,
)
"""Every room that gives something, from the floor upwards."""


def kinds_of(rooms: Iterable[Room]) -> tuple[type[Resource], ...]:
    """Return every kind of object, in the order of the rooms."""
    return tuple(kind for room in rooms for kind in room.kinds)


def migrations_of(rooms: Iterable[Room]) -> tuple[Migration, ...]:
    """Return every step of the schema; their numbers decide the order."""
    return tuple(step for room in rooms for step in room.migrations)


def sweepers_of(rooms: Iterable[Room]) -> tuple[Sweeper, ...]:
    """Return what deletes rows that expired."""
    return tuple(sweeper for room in rooms for sweeper in room.sweeps)


KINDS: Final = kinds_of(ROOMS)
MIGRATIONS: Final = migrations_of(ROOMS)


def registry() -> Registry:
    """Return the registry of all kinds."""
    return Registry(KINDS)
