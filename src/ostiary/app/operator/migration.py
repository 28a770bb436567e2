"""Migration of the database alone, for deployments with a separate migration step."""

from __future__ import annotations

from ostiary.app.core import clock, open_database
from ostiary.app.rooms import MIGRATIONS
from ostiary.settings import Settings
from ostiary.store.migrations import migrate


async def migrate_only(settings: Settings) -> int:
    """Migrate, and return the number of applied migrations. Raises SettingsError, Unavailable, NewerSchema."""
    database = await open_database(settings, create=True)
    try:
        return await migrate(database, MIGRATIONS, now=clock())
    finally:
        await database.close()
