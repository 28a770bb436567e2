"""A small world for the tests of delivery: an archive, an index, a repository; nothing outside is asked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from delivery_world import World
from ostiary_delivery.settings import Settings
from real_images import checkout, layouts, place, pulled, roots, shop, tools  # noqa: F401 - fixtures
from small_archive import Archive, Signer, make_repository, make_wheel, write
from support import examples  # noqa: F401 - takes Hypothesis its clock away


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("gpg") / "home")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> World:
    """A world that was locked once; tests get copies, so that pip need not run for each of them."""
    tmp_path = tmp_path_factory.mktemp("world")
    archive = Archive(tmp_path / "archive", signer)
    archive.add("libc", "2.41-12", files={"lib/libc.so.6": b"C" * 9000, "usr/share/doc/libc/copyright": b"free"})
    archive.add("door-data", "1:7.0~rc1+dfsg-1", depends="libc (>= 2.30), shell", files={"usr/share/door": b"x" * 500})
    archive.add("shell", files={"bin/sh": b"#!"}, depends="")
    archive.publish()
    index = tmp_path / "index"
    wheels = {
        "hinge-1.0-py3-none-any.whl": make_wheel("hinge", requires=["screw"]),
        "screw-1.0-py3-none-any.whl": make_wheel(
            "screw", body=b"TURNS = 7\n" * 300, scripts={"turn": b"\x7fELF turn", "strip": b"\x7fELF strip"}
        ),
        "unused-1.0-py3-none-any.whl": make_wheel("unused"),
    }
    for name, data in wheels.items():
        write(index / name, data)
    make_repository(tmp_path / "repository", wheels=wheels)
    settings = Settings(cache=tmp_path / "cache", archive=archive.url, keyring=signer.keyring)
    made = World(archive=archive, index=index, repository=tmp_path / "repository", settings=settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(index))
        patch.setenv("PIP_NO_INDEX", "1")
        made.lock()
    return made


@pytest.fixture
def world(template: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of the small world, with its lock and a filled cache."""
    for name in ("archive", "index", "repository", "cache"):
        shutil.copytree(template.repository.parent / name, tmp_path / name)
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    archive = Archive(tmp_path / "archive", template.archive.signer, debs=dict(template.archive.debs))
    settings = Settings(cache=tmp_path / "cache", archive=archive.url, keyring=archive.signer.keyring)
    return World(archive=archive, index=tmp_path / "index", repository=tmp_path / "repository", settings=settings)
