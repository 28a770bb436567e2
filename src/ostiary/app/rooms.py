"""The one explicit list of rooms. Importing it starts nothing and opens nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.applications import room as applications
from ostiary.blueprints import room as blueprints
from ostiary.brands import room as brands
from ostiary.directory import room as directory
from ostiary.events import room as events
from ostiary.flows import room as flows
from ostiary.grants import room as grants
from ostiary.keys import room as keys
from ostiary.mappings import room as mappings
from ostiary.policies import room as policies
from ostiary.providers.oauth2 import room as oauth2
from ostiary.resource import Registry, Resource
from ostiary.sessions import room as sessions
from ostiary.sources import room as sources
from ostiary.store import room as store
from ostiary.store.migrations import Migration
from ostiary.tasks import room as tasks

KINDS: Final[tuple[type[Resource], ...]] = (
    *directory.KINDS,
    *keys.KINDS,
    *brands.KINDS,
    *mappings.KINDS,
    *policies.KINDS,
    *flows.KINDS,
    *sources.KINDS,
    *oauth2.KINDS,
    *applications.KINDS,
    *blueprints.KINDS,
)
"""Every kind of object, in the order of the floors."""

MIGRATIONS: Final[Sequence[Migration]] = (
    *store.MIGRATIONS,
    *sessions.MIGRATIONS,
    *tasks.MIGRATIONS,
    *events.MIGRATIONS,
    *directory.MIGRATIONS,
    *flows.MIGRATIONS,
    *grants.MIGRATIONS,
    *blueprints.MIGRATIONS,
)
"""Every step of the schema; their numbers decide the order."""


def registry() -> Registry:
    """Return the registry of all kinds."""
    return Registry(KINDS)
