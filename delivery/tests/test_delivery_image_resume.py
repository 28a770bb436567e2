"""The real images when something goes wrong: work that is killed goes on, changed inputs are named, gone ones listed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ostiary_delivery import lockfile
from real_images import COMMAND, STALE, Layouts, built, copy, deliver, ended_well
from slow_archive import slow_archive
from support.waiting import wait_until

pytestmark = pytest.mark.image
TAMPERED = 5
VALKEY = "ostiary-valkey"


def inputs() -> str:
    """Where this machine keeps what it fetched."""
    return os.environ.get("DELIVERY_CACHE") or str(Path(os.environ.get("HOME", "/")) / ".cache/ostiary-delivery")


def kept(sha256: str, cache: str) -> Path:
    return Path(cache) / "sha256" / sha256[:2] / sha256


def killed(folder: Path, *words: str, when: Callable[[], object], **environ: str) -> None:
    """Start a command, and kill it (SIGKILL) as soon as something is true."""
    command = [*COMMAND, *words]
    process = subprocess.Popen(
        command, cwd=folder, env=os.environ | environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(lambda: when() or process.poll() is not None)
        assert process.poll() is None, "it was done before it could be killed"
    finally:
        process.kill()
        process.wait()


def test_a_killed_build_goes_on_with_the_layers_it_has(checkout: Path, layouts: Layouts, tmp_path: Path) -> None:
    folder, cache = copy(checkout, tmp_path / "killed"), tmp_path / "cache"
    own: dict[str, Any] = {"DELIVERY_CACHE": str(cache), "DELIVERY_INPUTS": inputs()}

    def packed() -> int:
        return len(list(cache.glob("layers/*.json")))

    killed(folder, "build", "ostiary", when=lambda: packed() >= 5, **own)
    assert not (folder / "dist/images/ostiary").exists()
    had = packed()
    again = deliver(folder, "build", "ostiary", **own)
    ended_well(again)
    made = re.search(r"layers: (\d+) made", again.stderr)
    assert made is not None, again.stderr
    layers = len(layouts["ostiary"].image.layers)
    assert (int(made[1]), had > 0) == (layers - had, True)
    assert built(folder, "ostiary").image.digest == layouts["ostiary"].image.digest


def test_a_killed_fetch_goes_on_in_the_middle_of_a_file(checkout: Path, layouts: Layouts, tmp_path: Path) -> None:
    folder, cache = copy(checkout, tmp_path / "killed"), tmp_path / "cache"
    locked = lockfile.load(checkout / "containers" / VALKEY).debs
    with slow_archive({one.path: kept(one.sha256, inputs()) for one in locked}) as slow:
        own: dict[str, Any] = {
            "DELIVERY_CACHE": str(cache),
            "DELIVERY_INPUTS": "",
            "DELIVERY_ARCHIVE": slow.url,
            "DELIVERY_SECURITY_ARCHIVE": slow.url,
        }
        large = 3 * 128 * 1024
        killed(
            folder,
            "build",
            VALKEY,
            when=lambda: any(part.stat().st_size >= large for part in cache.rglob("*.part")),
            **own,
        )
        (begun,) = [part for part in cache.rglob("*.part") if part.stat().st_size >= large]
        size, sha256 = begun.stat().st_size, begun.stem
        slow.pause = 0
        ended_well(deliver(folder, "build", VALKEY, **own))
        path = next(one.path for one in locked if one.sha256 == sha256)
        assert slow.resumed == {path: size}
    assert built(folder, VALKEY).image.digest == layouts[VALKEY].image.digest


def test_a_changed_input_is_named_and_nothing_is_built(checkout: Path, tmp_path: Path) -> None:
    folder, cache = copy(checkout, tmp_path / "changed"), tmp_path / "cache"
    locked = next(one for one in lockfile.load(folder / "containers" / VALKEY).debs if one.name == "libssl3t64")
    place = kept(locked.sha256, str(cache))
    place.parent.mkdir(parents=True)
    good = kept(locked.sha256, inputs()).read_bytes()
    place.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    ended = deliver(folder, "build", VALKEY, DELIVERY_CACHE=str(cache), DELIVERY_INPUTS=inputs())
    assert ended.returncode == TAMPERED
    assert f"{locked.artifact.name} is not what was locked: expected {locked.sha256}" in ended.stderr
    assert str(place) in ended.stderr
    assert not (folder / "dist/images").exists()


def test_a_package_that_left_the_archive_makes_the_lock_stale(checkout: Path, tmp_path: Path) -> None:
    """The real archive is asked for a version that it does not have; the lock stays as it was."""
    folder = copy(checkout, tmp_path / "stale")
    file = folder / "containers" / VALKEY / lockfile.FILE
    table = json.loads(file.read_text())
    gone = next(one for one in table["debs"] if one["name"] == "libjemalloc2")
    gone.update(path=gone["path"].replace("_5.3", "_5.2"), sha256="0" * 64, version="5.2.9-1")
    file.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n")
    before = file.read_bytes()
    for command in (("build", VALKEY), ("lock", VALKEY)):
        ended = deliver(folder, *command)
        assert ended.returncode == STALE, ended.stdout + ended.stderr
        assert "libjemalloc2 5.2.9-1" in ended.stderr
        assert "--update" in ended.stderr
        assert file.read_bytes() == before
