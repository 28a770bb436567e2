"""What is attacked: the OAuth2 rig, the flow world, the whole house in this process, and real servers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("oauth2", "flows", "e2e", "attacks")]

from attacks_house import House, open_house  # noqa: E402 - the folders are on the path only now
from flows_world import Client, World, open_world  # noqa: E402
from live import OPEN, Server  # noqa: E402
from oauth2_rig import Rig, make_rig  # noqa: E402
from support.postgres import apart  # noqa: E402

from ostiary.store.database import Database  # noqa: E402


@pytest.fixture
async def rig(sqlite_database: Database) -> Rig:
    return await make_rig(sqlite_database)


@pytest.fixture
async def both(database: Database) -> Rig:
    """The same, on each database in turn."""
    return await make_rig(database)


@pytest.fixture
async def world(sqlite_database: Database) -> AsyncIterator[World]:
    opened = await open_world(sqlite_database)
    yield opened
    opened.program.close()


@pytest.fixture
def client(world: World) -> Client:
    return Client(world)


@pytest.fixture(scope="session")
def house_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a first start, to be copied: keys and shipped blueprints take their time."""
    folder = tmp_path_factory.mktemp("house")

    async def start() -> None:
        await (await open_house(folder)).close()

    apart(start)
    return folder / "data"


@pytest.fixture
async def house(house_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    shutil.copytree(house_template, tmp_path / "data")
    opened = await open_house(tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Give a factory of servers, each in a folder of its own unless told otherwise, stopped at the end of the test."""
    servers: list[Server] = []

    def make(*, folder: Path | None = None, **environ: str) -> Server:
        servers.append(Server(folder or tmp_path_factory.mktemp("server"), environ))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(autouse=True)
def _clients_are_closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()
