"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.applications.resources import Application
from ostiary.resource import Resource
from ostiary.store.migrations import Migration

KINDS: Final[tuple[type[Resource], ...]] = (Application,)
MIGRATIONS: Final[tuple[Migration, ...]] = ()
