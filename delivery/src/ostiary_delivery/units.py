"""Turns units into files: packages are unpacked, wheels laid out, bytecode made, the rest written."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ostiary_delivery import base
from ostiary_delivery.cache import Cache
from ostiary_delivery.debian import package
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.lockfile import Lock, LockedDeb
from ostiary_delivery.plan import Unit
from ostiary_delivery.python import bytecode, wheel
from ostiary_delivery.tree import Entry, file, filtered

STATUS = "var/lib/dpkg/status.d/"


@dataclass(slots=True)
class Workshop:
    """Makes the files of each unit of one container. `own` is the name and the bytes of the project's wheel."""

    container: Container
    lock: Lock
    cache: Cache
    own: tuple[str, bytes] | None = None
    _interpreter: bytecode.Interpreter | None = None

    def units(self) -> list[Unit]:
        """Return all units of the container; no file is opened for it."""
        found = [
            Unit(kind="deb", name=one.name, version=one.version, identity=one.sha256, size=one.size)
            for one in self.lock.debs
        ]
        found += [
            Unit(kind="wheel", name=one.name, version=one.version, identity=one.sha256, size=one.size)
            for one in self.lock.wheels
        ]
        if self.own:
            name, data = self.own
            inside = wheel.read(data, name=name)
            identity = hashlib.sha256(data).hexdigest()
            found.append(Unit(kind="own", name=inside.name, version=inside.version, identity=identity, size=len(data)))
        made = base.entries(self.container, self.lock)
        authorities = sorted(one.sha256 for one in self.lock.debs if one.name == "ca-certificates")
        identity = hashlib.sha256(repr((made, authorities)).encode()).hexdigest()
        found.append(Unit(kind="files", name="files", version="", identity=identity, size=0))
        return found

    def make(self, unit: Unit) -> tuple[list[Entry], set[str]]:
        """Return the files of a unit, and the globs of the definition that were of use for it."""
        if unit.kind == "files":
            return self._files(), set()  # made on purpose: globs say what packages bring in vain
        entries = self._deb(self._locked(unit.name)) if unit.kind == "deb" else self._wheel(unit)
        image = self.container.image
        left, used = filtered(entries, drop=image.drop, keep=image.keep)
        return left + self._bytecode(left), used

    def rules(self) -> str:
        """Return the SHA-256 (hex) of everything besides a unit's identity that its bytes depend on."""
        image = self.container.image
        wheels = self.container.wheels
        python = (
            sorted(one.sha256 for one in self.lock.debs if one.source.startswith("python3")) if self._compiles() else []
        )
        told = (
            image.drop,
            image.keep,
            image.user,
            asdict(self.lock.compressor),
            python,
            wheels.python if wheels else "",
        )
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def check_scripts(self) -> None:
        """Raise BadDefinition unless each script that an installation would run is declared as not needed."""
        declared = self.container.debian.scripts
        having = {one.name for one in self.lock.debs if self._package(one).scripts}
        problems = [
            f"{name} has a script that an installation runs: say in debian.scripts why it need not"
            for name in sorted(having - set(declared))
        ]
        problems += [f"debian.scripts names {name}, which has none" for name in sorted(set(declared) - having)]
        if problems:
            raise BadDefinition("\n".join(f"{self.container.name}: {one}" for one in problems))

    def prepare(self) -> None:
        """Do what several threads must not do at the same time."""
        if self._compiles():
            self.interpreter()

    def _locked(self, name: str) -> LockedDeb:
        return next(one for one in self.lock.debs if one.name == name)

    def _package(self, locked: LockedDeb) -> package.Package:
        found = package.read(self.cache.read(locked.wanted), name=locked.wanted.name)
        said = found.control.get("Package"), found.control.get("Version")
        if said != (locked.name, locked.version):
            raise Refusal(
                f"{locked.wanted.name} says it is {said[0]} {said[1]}, and the lock {locked.name} {locked.version}"
            )
        return found

    def _deb(self, locked: LockedDeb) -> list[Entry]:
        found = self._package(locked)
        status = file(STATUS + locked.name, found.text.rstrip("\n").encode() + b"\n")
        return [*found.entries, status]

    def _wheel(self, unit: Unit) -> list[Entry]:
        if unit.kind == "own" and self.own:
            name, data = self.own
        else:
            locked = next(one for one in self.lock.wheels if one.name == unit.name)
            name, data = locked.file, self.cache.read(locked.wanted)
        wheels = self.container.wheels
        folder = f"usr/local/lib/python{wheels.python if wheels else '3'}/dist-packages"
        inside = wheel.read(data, name=name)
        return [file(f"{folder}/{one.path}", one.content, mode=one.mode) for one in inside.entries]

    def _files(self) -> list[Entry]:
        found = [one for one in self.lock.debs if one.name == "ca-certificates"]
        return base.entries(self.container, self.lock) + base.bundle(
            entry for one in found for entry in self._package(one).entries
        )

    def _compiles(self) -> bool:
        return self.container.wheels is not None and self.container.wheels.bytecode

    def _bytecode(self, entries: Iterable[Entry]) -> list[Entry]:
        if not self._compiles() or not any(one.path.endswith(".py") for one in entries):
            return []
        return bytecode.compiled(entries, interpreter=self.interpreter())

    def interpreter(self) -> bytecode.Interpreter:
        """Return the image's own Python, unpacked into the cache when it is not there yet."""
        if self._interpreter is None:
            wheels = self.container.wheels
            identity = hashlib.sha256("".join(sorted(one.sha256 for one in self.lock.debs)).encode()).hexdigest()
            root = self.cache.root / "roots" / identity[:32]
            if not root.is_dir():
                self._unpack(root)
            self._interpreter = bytecode.of_image(
                root, python=wheels.python if wheels else "", architecture=self.lock.architecture
            )
        return self._interpreter

    def _unpack(self, root: Path) -> None:
        root.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=root.parent))
        wanted: Mapping[str, Entry] = {
            entry.path: entry
            for one in self.lock.debs
            for entry in self._package(one).entries
            if entry.kind != "directory"
        }
        for path, entry in sorted(wanted.items()):
            if not path.startswith(("usr/bin/", "usr/lib")):
                continue
            place = made / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == "symlink":
                place.symlink_to(_relative(path, entry.target))
            else:
                place.write_bytes(entry.content)
                place.chmod(entry.mode & 0o777)
        try:
            made.rename(root)
        except OSError:  # somebody else was quicker
            shutil.rmtree(made)


def _relative(path: str, target: str) -> str:
    """Return a link's target without a leading slash, so that it stays inside the unpacked root."""
    if not target.startswith("/"):
        return target
    return "../" * path.count("/") + package.merged(target.lstrip("/"))
