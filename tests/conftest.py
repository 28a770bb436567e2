"""The databases of the tests: SQLite files and a real PostgreSQL, each test on a fresh copy with all migrations."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import uvloop
from support import examples  # noqa: F401 - takes Hypothesis its clock away
from support.memory import fast_folder
from support.postgres import NoPostgres, PostgresServer, apart, make_server
from support.schema import all_migrations

from ostiary.store import timeouts
from ostiary.store.database import Database
from ostiary.store.migrations import migrate
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.sqlite.database import open_sqlite

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}
MIGRATED_AT = 1_700_000_000_000_000


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run what is marked so on both loops a process may run on, everything else on the standard one."""
    return LOOPS if item.get_closest_marker("both_loops") else {"asyncio": LOOPS["asyncio"]}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A test that configures logging does so for itself: what the next one sees of the log hangs on no order."""
    loggers = [logging.getLogger(), logging.getLogger("asyncio")]
    levels, handlers = [logger.level for logger in loggers], list(loggers[0].handlers)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    for handler in list(loggers[0].handlers):
        if handler not in handlers and not type(handler).__module__.startswith("_pytest"):
            loggers[0].removeHandler(handler)


@pytest.fixture(autouse=True)
def _patient_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the database more time than users do: on a busy machine five seconds say nothing about the program.

    Tests of the limit set their own.
    """
    monkeypatch.setattr(timeouts, "TIMEOUT", 60.0)


async def _migrate(database: Database) -> None:
    await migrate(database, all_migrations(), now=MIGRATED_AT)
    await database.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private server; each xdist worker has its own."""
    try:
        server = make_server()
    except NoPostgres as error:
        pytest.fail(str(error), pytrace=False)
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """The name of a database with all migrations, to be copied."""
    config = postgres_server.create_database()

    async def prepare() -> None:
        await _migrate(await open_postgresql(config))

    apart(prepare)
    return config.name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all migrations, to be copied."""
    path = tmp_path_factory.mktemp("template") / "ostiary.db"

    async def prepare() -> None:
        await _migrate(await open_sqlite(path))

    apart(prepare)
    return path


@pytest.fixture
def postgres_config(postgres_server: PostgresServer) -> Iterator[PostgresConfig]:
    """A fresh, empty database on the server."""
    config = postgres_server.create_database()
    yield config
    postgres_server.drop_database(config)


@pytest.fixture
async def sqlite_database(sqlite_template: Path) -> AsyncIterator[Database]:
    """A fresh SQLite database with all migrations."""
    folder = fast_folder("ostiary-db-")
    shutil.copy(sqlite_template, folder / "ostiary.db")
    opened = await open_sqlite(folder / "ostiary.db")
    yield opened
    await opened.close()
    shutil.rmtree(folder)


@pytest.fixture
async def postgres_database(postgres_server: PostgresServer, postgres_template: str) -> AsyncIterator[Database]:
    """A fresh PostgreSQL database with all migrations."""
    config = postgres_server.create_database(postgres_template)
    opened = await open_postgresql(config)
    yield opened
    await opened.close()
    postgres_server.drop_database(config)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh database with all migrations, of each kind in turn."""
    found: Database = request.getfixturevalue("sqlite_database" if request.param == "sqlite" else "postgres_database")
    return found
