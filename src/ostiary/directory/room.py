"""What the application collects from this room."""

from __future__ import annotations

from typing import Final

from ostiary.directory import attempts, resources, tables, tokens

KINDS: Final = resources.KINDS
MIGRATIONS: Final = tables.MIGRATIONS
SWEEPS: Final = (tokens.sweep, attempts.sweep)
