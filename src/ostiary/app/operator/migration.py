"""The database brought up to date, and nothing else: for deployments that do it in a step of its own."""

from __future__ import annotations

from ostiary.app.core import clock, open_database
from ostiary.app.rooms import MIGRATIONS
from ostiary.settings import Settings
from ostiary.store.migrations import migrate


async def migrate_only(settings: Settings) -> int:
    """Return how many steps were applied. Raises SettingsError, Unavailable, NewerSchema."""
    database = await open_database(settings, create=True)
    try:
        return await migrate(database, MIGRATIONS, now=clock())
    finally:
        await database.close()
