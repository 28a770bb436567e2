"""What a derivation of Nix runs, without Nix: fetching one locked file, building one image from given files."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import pytest
from delivery_world import World
from ostiary_delivery import lockfile, nix, oci
from ostiary_delivery.errors import BadDefinition, Refusal, Stale, Tampered


@pytest.fixture
def environ(world: World, tmp_path: Path) -> dict[str, str]:
    """The environment of a derivation: nothing is cached, nothing is given."""
    (tmp_path / "top").mkdir()
    return {
        "NIX_BUILD_TOP": str(tmp_path / "top"),
        "DELIVERY_ARCHIVE": world.archive.url,
        "DELIVERY_SECURITY_ARCHIVE": world.archive.url,
        "source": str(world.repository),
        "container": "door",
        "out": str(tmp_path / "out"),
    }


def given(world: World) -> dict[str, str]:
    lock = lockfile.load(world.container.folder)
    return {one.sha256: str(world.cache.path(one.sha256)) for part in (lock.debs, lock.wheels) for one in part}


def test_an_image_from_given_files_is_the_one_of_the_cache(
    world: World, environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    nix.build(environ | {"inputs": json.dumps(given(world))})
    digest = world.build().image.digest
    assert oci.open_layout(Path(environ["out"])).image.digest == digest
    assert digest in capsys.readouterr().out


def test_nothing_is_fetched_while_an_image_is_built(world: World, environ: dict[str, str]) -> None:
    inputs = given(world)
    lock = lockfile.load(world.container.folder)
    del inputs[lock.debs[1].sha256]
    with pytest.raises(Refusal, match=f"door: not among the inputs: {lock.debs[1].artifact.name}"):
        nix.build(environ | {"inputs": json.dumps(inputs)})


@pytest.mark.parametrize("kind", ["debs", "wheels"])
def test_one_locked_file_is_fetched(world: World, environ: dict[str, str], kind: str) -> None:
    wanted = getattr(lockfile.load(world.container.folder), kind)[0]
    nix.fetch(environ | {"wanted": wanted.sha256})
    assert hashlib.sha256(Path(environ["out"]).read_bytes()).hexdigest() == wanted.sha256


def test_other_bytes_and_vanished_ones_are_refused_by_name(world: World, environ: dict[str, str]) -> None:
    deb = lockfile.load(world.container.folder).debs[0]
    path = world.archive.root / deb.path
    path.write_bytes(b"?" * deb.size)
    with pytest.raises(Tampered, match=deb.artifact.name):
        nix.fetch(environ | {"wanted": deb.sha256})
    path.unlink()
    with pytest.raises(Stale, match=f"{deb.name} "):
        nix.fetch(environ | {"wanted": deb.sha256})
    with pytest.raises(BadDefinition, match=r"door: the lock holds no file with the hash 0000"):
        nix.fetch(environ | {"wanted": "0000"})
    assert not Path(environ["out"]).exists()


def test_a_refusal_ends_the_builder_with_its_code(
    world: World, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deb = lockfile.load(world.container.folder).debs[0]
    (world.archive.root / deb.path).write_bytes(b"?" * deb.size)
    for name, value in (environ | {"wanted": deb.sha256}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["nix", "fetch"])
    assert nix.main() == Tampered.exit_code
    assert capsys.readouterr().err.startswith(f"ostiary-delivery: {deb.artifact.name} is not what was promised")


@pytest.mark.parametrize("words", [[], ["other"], ["build", "fetch"]])
def test_an_unknown_step_is_told_what_there_is(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["nix", *words])
    assert nix.main() == BadDefinition.exit_code
    assert "fetch, build" in capsys.readouterr().err
