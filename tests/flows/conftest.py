"""The world of the flow tests, over each database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from flows_world import Client, World, open_world

from ostiary.store.database import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    opened = await open_world(database)
    yield opened
    await opened.program.close()


@pytest.fixture
async def small_world(sqlite_database: Database) -> AsyncIterator[World]:
    """The same on SQLite only, for what does not depend on the database."""
    opened = await open_world(sqlite_database)
    yield opened
    await opened.program.close()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)
