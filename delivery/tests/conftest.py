"""A small world for the tests of delivery: an archive, an index, a repository; nothing outside is asked."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from ostiary_delivery import build as building
from ostiary_delivery import definition, lockfile, locking
from ostiary_delivery.cache import Cache
from ostiary_delivery.progress import Silent
from ostiary_delivery.settings import Settings
from real_images import checkout, layouts, place, pulled, roots, shop, tools  # noqa: F401 - fixtures
from small_archive import DATE, Archive, Signer, make_repository, make_wheel, write
from support import examples  # noqa: F401 - takes Hypothesis its clock away


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(tmp_path_factory.mktemp("gpg") / "home")


@dataclass
class World:
    archive: Archive
    index: Path
    repository: Path
    settings: Settings

    @property
    def cache(self) -> Cache:
        return Cache(self.settings.cache, inputs=self.settings.inputs)

    @property
    def container(self) -> definition.Container:
        return definition.read(self.repository, "door")

    @property
    def definition_file(self) -> Path:
        return self.repository / "containers/door/container.toml"

    def change(self, old: str, new: str) -> None:
        text = self.definition_file.read_text()
        assert old in text
        self.definition_file.write_text(text.replace(old, new))

    def lock(self, *, update: locking.Update | None = None, now: int = DATE) -> lockfile.Lock:
        container = self.container
        old = lockfile.load(container.folder) if (container.folder / lockfile.FILE).exists() else None
        allowed = update or locking.Update(everything=True)
        at = locking.LockContext(
            repository=self.repository, settings=self.settings, cache=self.cache, progress=Silent(), now=now
        )
        found = locking.lock(container, old=old, update=allowed, at=at)
        lockfile.save(container.folder, found)
        return found

    def forget(self) -> None:
        """Empty the cache and remove the lock."""
        shutil.rmtree(self.settings.cache)
        (self.container.folder / lockfile.FILE).unlink()

    @property
    def at(self) -> building.BuildContext:
        return building.BuildContext(
            repository=self.repository, settings=self.settings, cache=self.cache, progress=Silent()
        )

    def build(self) -> building.BuiltImage:
        return building.build(self.container, at=self.at)

    def elsewhere(self, folder: Path) -> World:
        """The same repository in another folder, with an empty cache."""
        shutil.copytree(self.repository, folder)
        settings = dataclasses.replace(self.settings, cache=folder.with_name(folder.name + "-cache"))
        return dataclasses.replace(self, repository=folder, settings=settings)


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
        "screw-1.0-py3-none-any.whl": make_wheel("screw", body=b"TURNS = 7\n" * 300),
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
