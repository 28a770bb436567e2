"""What is attacked: the OAuth2 rig, the flow world, the whole house in this process, and real servers."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / name) for name in ("oauth2", "flows", "e2e", "attacks")]

from attacks_house import House, open_house  # noqa: E402 - the folders are on the path only now
from flows_world import Client, World, open_world  # noqa: E402
from live import Make, clients_are_closed, servers  # noqa: E402, F401
from oauth2_rig import both, rig  # noqa: E402, F401
from support.postgres import apart  # noqa: E402

from ostiary.store.database import Database  # noqa: E402


@pytest.fixture
async def world(sqlite_database: Database) -> AsyncIterator[World]:
    opened = await open_world(sqlite_database)
    yield opened
    await opened.program.close()


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
def make_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Give a factory of servers, each in a folder of its own unless told otherwise, stopped at the end of the test."""
    with servers(tmp_path_factory) as make:
        yield make
