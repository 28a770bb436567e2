"""A house of sample kinds over each database."""

from __future__ import annotations

import pytest
from config_kinds import House, create_tables, open_house

from ostiary.store.database import Database


@pytest.fixture
async def house(database: Database) -> House:
    """A loaded plane with an editor, on a fresh database."""
    await create_tables(database)
    return await open_house(database)


@pytest.fixture
async def small_house(sqlite_database: Database) -> House:
    """The same on SQLite only, for what does not depend on the database."""
    await create_tables(sqlite_database)
    return await open_house(sqlite_database)
