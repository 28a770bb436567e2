from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from blueprints_world import World, Write, make_world
from support.postgres import apart

from ostiary.blueprints.report import render
from ostiary.store.database import Database
from ostiary.store.sqlite.database import open_sqlite


@pytest.fixture
async def world(sqlite_database: Database) -> World:
    """An installation with its default certificates only."""
    return await make_world(sqlite_database)


@pytest.fixture(scope="session")
def ready_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of an installation with the shipped blueprints, to be copied."""
    path = tmp_path_factory.mktemp("ready") / "ostiary.db"
    shutil.copy(sqlite_template, path)

    async def prepare() -> None:
        database = await open_sqlite(path)
        report = await (await make_world(database)).defaults()
        assert report.ok, render(report)
        await database.close()

    apart(prepare)
    return path


@pytest.fixture
async def ready(ready_template: Path, tmp_path: Path) -> AsyncIterator[World]:
    """An installation with the shipped blueprints."""
    path = tmp_path / "ready.db"
    shutil.copy(ready_template, path)
    database = await open_sqlite(path)
    yield await make_world(database)
    await database.close()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a blueprint with these entries to a file."""

    def write(text: str, name: str = "b.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("version: 1\nentries:\n" + dedent(text))
        return path

    return write
