"""The example homelab, and the real file where it lies beside the repository."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from blueprints_world import NOW, World, make_world

from ostiary.blueprints.report import render
from ostiary.blueprints.states import read_states
from ostiary.store.sqlite.database import open_sqlite

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples/homelab/blueprints.yaml"
REAL = REPOSITORY.parent / "shared/data/homelab/configmap-blueprint.yaml"
FILES = [path for path in (EXAMPLE, REAL) if path.exists()]


def secrets_of(path: Path) -> dict[str, str]:
    names = sorted(set(re.findall(r"!Env (\w+)", path.read_text())))
    return {name: f"secret-of-{name.lower()}" for name in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
async def test_first_apply_creates_and_the_second_changes_nothing(ready: World, path: Path) -> None:
    environ = secrets_of(path)
    first = await ready.apply(path, environ=environ)
    assert first.ok, render(first)
    assert len(first.files) == 7
    assert sum(len(item.applied.created) for item in first.files) >= 18
    second = await ready.apply(path, environ=environ)
    assert second.ok
    assert not second.changed, render(second)
    assert render(second).splitlines()[-1] == "no changes"
    for text in environ.values():
        assert text not in render(first)


def unwrapped(path: Path, folder: Path) -> list[Path]:
    """Write each key of the ConfigMap as a file of its own, as a mount shows it."""
    found = []
    for name, text in yaml.safe_load(path.read_text())["data"].items():
        found.append(folder / name)
        found[-1].write_text(text)
    return found


async def values(world: World) -> dict[str, list[dict[str, object]]]:
    """Return everything that exists, without primary keys."""
    workspace = await world.editor.open()
    shown: dict[str, list[dict[str, object]]] = {}
    for kind in world.registry:
        if kind.name == "authentik_blueprints.blueprintinstance":
            continue
        found = []
        for stored in await workspace.match(kind.name, []):
            plain = {name: value for name, value in stored.values.items() if not kind.fields[name].reference}
            labels = {}
            for name, field in kind.fields.items():
                if field.reference and stored.values[name]:
                    keys: Any = stored.values[name] if field.many else (stored.values[name],)
                    targets = [await workspace.get(field.reference.target, key) for key in keys]
                    labels[name] = [one.label for one in targets if one is not None]
            found.append({**plain, **labels, "uuid": "", "date_joined": 0, "last_updated": 0})
        shown[kind.name] = sorted(found, key=repr)
    return shown


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
async def test_order_of_files_and_wrapping_do_not_matter(
    sqlite_template: Path, ready_template: Path, tmp_path: Path, path: Path
) -> None:
    results = []
    for turn in range(3):
        database_path = tmp_path / f"{turn}.db"
        shutil.copy(ready_template, database_path)
        database = await open_sqlite(database_path)
        world = await make_world(database)
        folder = tmp_path / str(turn)
        folder.mkdir()
        files = unwrapped(path, folder)
        shuffled = random.Random(turn).sample(range(len(files)), len(files))  # noqa: S311
        if turn == 0:
            report = await world.apply(path, environ=secrets_of(path))
        else:
            for number, file in zip(shuffled, files, strict=True):
                file.rename(folder / f"{number:02}-{file.name}")
            report = await world.apply(folder, environ=secrets_of(path))
        assert report.ok, render(report)
        results.append(await values(world))
        await database.close()
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
async def test_in_the_blueprints_directory(ready: World, tmp_path: Path, path: Path) -> None:
    folder = tmp_path / "blueprints"
    folder.mkdir()
    unwrapped(path, folder)
    ready.environ.update(secrets_of(path))
    discovery = ready.discovery(folder)
    assert len((await discovery.run(now=NOW)).files) == 7
    states = await read_states(ready.database)
    assert not (await discovery.run(now=NOW + 1)).files
    assert await read_states(ready.database) == states
    assert {state.status for state in states.values()} == {"successful"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
async def test_without_secrets_only_the_providers_fail(ready: World, path: Path) -> None:
    report = await ready.apply(path)
    assert sum(item.error is None for item in report.files) == 2
    for item in report.files:
        if item.error is not None:
            assert "client_secret: a new object needs this secret: set it" in str(item.error)
            assert "the environment variable AUTHENTIK_" in str(item.error)
    await ready.apply(path, environ=secrets_of(path))
    report = await ready.apply(path)
    assert report.ok
    assert not report.changed
    assert sum(len(item.applied.notices) for item in report.files) == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
async def test_check_agrees_with_apply(ready: World, path: Path) -> None:
    environ = secrets_of(path)
    checked = await ready.check(path, environ=environ)
    applied = await ready.apply(path, environ=environ)
    assert [item.applied.created for item in checked.files] == [item.applied.created for item in applied.files]
    assert not (await ready.check(path, environ=environ)).changed


def test_the_sample_of_the_environment_names_every_secret() -> None:
    sample = (EXAMPLE.parent / "env.sample").read_text()
    assert set(re.findall(r"^(\w+)=$", sample, re.MULTILINE)) == set(secrets_of(EXAMPLE))
