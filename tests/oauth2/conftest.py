"""The installation of these tests."""

from __future__ import annotations

import pytest
from oauth2_rig import Rig, make_rig

from ostiary.store.database import Database


@pytest.fixture
async def rig(sqlite_database: Database) -> Rig:
    return await make_rig(sqlite_database)


@pytest.fixture
async def both(database: Database) -> Rig:
    """The same, on each database in turn."""
    return await make_rig(database)
