"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.store import single_use, tables
from ostiary.store.configuration import config_tables
from ostiary.store.migrations import Migration

KINDS: Final = ()
MIGRATIONS: Final[tuple[Migration, ...]] = (*tables.MIGRATIONS, *config_tables.MIGRATIONS)
SWEEPS: Final = (single_use.sweep,)
