"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.blueprints import states
from ostiary.blueprints.jobs import jobs, watch
from ostiary.blueprints.resources import BlueprintInstance
from ostiary.resource import Resource
from ostiary.store.migrations import Migration

KINDS: Final[tuple[type[Resource], ...]] = (BlueprintInstance,)
MIGRATIONS: Final[tuple[Migration, ...]] = states.MIGRATIONS

__all__ = ["KINDS", "MIGRATIONS", "jobs", "watch"]
