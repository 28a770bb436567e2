"""What faults are provoked at: a server on a PostgreSQL of its own behind a forwarder, and servers on SQLite."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.forwarder import forwarding_in_thread
from support.postgres import PostgresServer, make_server

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from faults_postgres import OnPostgres, settings  # noqa: E402 - the folder is on the path only now
from faults_seen import Watched  # noqa: E402 - the folder is on the path only now


@pytest.fixture(scope="module")
def database() -> Iterator[PostgresServer]:
    """A PostgreSQL of the module's own, to be stopped and paused."""
    server = make_server()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def running(database: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnPostgres]:
    """One server for many faults: each test mends what it broke."""
    config = database.create_database()
    with forwarding_in_thread(database.port) as address:
        watched = Watched(tmp_path_factory.mktemp("watched"), settings(config, address.port))
        try:
            yield OnPostgres(watched.start(), database, config, address)
        finally:
            watched.stop()


@pytest.fixture
def house(running: OnPostgres) -> OnPostgres:
    """The same, as a test finds it: it is ready."""
    running.watched.wait_until_ready()
    return running


@pytest.fixture
def make_watched(tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Give a factory of servers on SQLite, which are ended with the test."""
    made: list[Watched] = []

    def make(**environ: str) -> Watched:
        made.append(Watched(tmp_path, environ))
        return made[-1]

    yield make
    for watched in made:
        watched.stop()
