"""The small world of the tests of delivery: an archive, an index of packages, a repository, a cache."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path

from ostiary_delivery import build as building
from ostiary_delivery import definition, lockfile, locking
from ostiary_delivery.cache import Cache
from ostiary_delivery.progress import Silent
from ostiary_delivery.settings import Settings
from small_archive import DATE, Archive


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
