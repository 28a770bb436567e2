"""Loose statements in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ostiary.store.commit import run

if TYPE_CHECKING:
    from ostiary.store.database import Database, Statement


async def write_all(database: Database, statements: Iterable[Statement]) -> None:
    """Write statements in one transaction."""
    kept = tuple(statements)
    await database.write(lambda: run(kept))
