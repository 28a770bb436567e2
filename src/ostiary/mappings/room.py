"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.mappings.resources import ScopeMapping
from ostiary.resource import Resource
from ostiary.store.migrations import Migration

KINDS: Final[tuple[type[Resource], ...]] = (ScopeMapping,)
MIGRATIONS: Final[tuple[Migration, ...]] = ()
