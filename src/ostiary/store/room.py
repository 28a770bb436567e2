"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.store import config_tables, single_use, tables
from ostiary.store.migrations import Migration

KINDS: Final = ()
MIGRATIONS: Final[tuple[Migration, ...]] = (*tables.MIGRATIONS, *config_tables.MIGRATIONS)
SWEEPS: Final = (single_use.sweep,)
