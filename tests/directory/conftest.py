"""The services of the directory tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support.people import People

from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import KINDS
from ostiary.directory.rows.backend import backends
from ostiary.directory.users import Users
from ostiary.events.audit import audit_changes
from ostiary.resource import Registry
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.database import Database
from ostiary.store.workspace.editor import Editor


@pytest.fixture
def people(database: Database) -> People:
    return People(database)


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database, install_id="11111111-2222-4333-8444-555555555555")


@pytest.fixture
def sealer() -> Sealer:
    return Sealer(Secret("a secret key of the tests"))


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    pool = Passwords(workers=2, queue=8)
    yield pool
    pool.close()


@pytest.fixture
async def editor(database: Database, passwords: Passwords, sealer: Sealer) -> Editor:
    plane = ConfigPlane(database, Registry(KINDS), sealer)
    await plane.load()
    return Editor(plane, backends(database, passwords, sealer), audit_changes)
