"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.sessions import tables

KINDS: Final = ()
MIGRATIONS: Final = tables.MIGRATIONS
