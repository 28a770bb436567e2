"""What the tests of the edge share: the server of the end-to-end tests, and the files of `deploy/host`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from edge_fail2ban import Fail2ban  # noqa: E402 - the folders are on the path only now
from edge_nginx import NAME, Edge  # noqa: E402
from live import Make, Server, clients_are_closed, servers  # noqa: E402, F401

BLUEPRINT = HERE / "blueprint.yaml"
PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Give a factory of servers that are stopped at the end."""
    with servers(tmp_path_factory, OSTIARY_HOSTS=NAME) as make:
        yield make


@pytest.fixture(scope="session")
def server(make_server: Make) -> Server:
    server = make_server().start()
    server.cli("blueprint", "apply", str(BLUEPRINT))
    server.add_user("ada", PASSWORD)
    return server


@pytest.fixture(scope="module")
def edge(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """A real nginx with the files of `deploy/host/nginx` before the server."""
    edge = Edge(tmp_path_factory.mktemp("edge"), upstream=server.port).start()
    yield edge
    edge.stop()


@pytest.fixture(scope="module")
def fail2ban(server: Server, edge: Edge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fail2ban]:
    """A real fail2ban with the files of `deploy/host/fail2ban`, which reads the server's log and bans at the edge."""
    started = Fail2ban(
        tmp_path_factory.mktemp("fail2ban"), log=server.folder / "server.log", environ=edge.environment
    ).start()
    yield started
    started.stop()
