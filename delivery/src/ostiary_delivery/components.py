"""The files of components: unpacked packages, installed wheels, bytecode, and system files."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ostiary_delivery import system_files
from ostiary_delivery.cache import Cache
from ostiary_delivery.debian import package
from ostiary_delivery.definition import Container
from ostiary_delivery.errors import BadDefinition, Refusal
from ostiary_delivery.lockfile import Lock, LockedDeb
from ostiary_delivery.plan import Component
from ostiary_delivery.python import bytecode, wheel
from ostiary_delivery.tree import Entry, file, filtered

STATUS = "var/lib/dpkg/status.d/"
SCRIPTS = "usr/local/bin/"


@dataclass(slots=True)
class ComponentBuilder:
    """Builds the files of each component of a container. `own_wheel` is the project's wheel: name and bytes."""

    container: Container
    lock: Lock
    cache: Cache
    own_wheel: tuple[str, bytes] | None = None
    _interpreter: bytecode.Interpreter | None = None

    def components(self) -> list[Component]:
        """Return all components of the container. No package is opened for it."""
        components = [
            Component(kind="deb", name=one.name, version=one.version, identity=one.sha256, size=one.size)
            for one in self.lock.debs
        ]
        components += [
            Component(kind="wheel", name=one.name, version=one.version, identity=one.sha256, size=one.size)
            for one in self.lock.wheels
        ]
        if self.own_wheel:
            name, data = self.own_wheel
            wheel_contents = wheel.read(data, name=name)
            identity = hashlib.sha256(data).hexdigest()
            components.append(
                Component(
                    kind="own",
                    name=wheel_contents.name,
                    version=wheel_contents.version,
                    identity=identity,
                    size=len(data),
                )
            )
        generated = system_files.entries(self.container, self.lock)
        authorities = sorted(one.sha256 for one in self.lock.debs if one.name == "ca-certificates")
        identity = hashlib.sha256(repr((generated, authorities)).encode()).hexdigest()
        components.append(Component(kind="files", name="files", version="", identity=identity, size=0))
        return components

    def build(self, component: Component) -> tuple[list[Entry], set[str]]:
        """Return the files of a component, and the globs of the definition that matched."""
        if component.kind == "files":
            return self._files(), set()  # globs drop unneeded files of packages only
        entries = self._deb(self._locked(component.name)) if component.kind == "deb" else self._wheel(component)
        image = self.container.image
        remaining, used = filtered(entries, drop=image.drop, keep=image.keep)
        return remaining + self._bytecode(remaining), used

    def rules(self) -> str:
        """Return the SHA-256 (hex) of all inputs of a component's bytes besides its identity."""
        image = self.container.image
        wheels = self.container.wheels
        python = (
            sorted(one.sha256 for one in self.lock.debs if one.source.startswith("python3")) if self._compiles() else []
        )
        inputs = (
            image.drop,
            image.keep,
            image.user,
            asdict(self.lock.compressor),
            python,
            wheels.python if wheels else "",
            *([wheels.scripts] if wheels and wheels.scripts else []),
        )
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def require_declared_scripts(self) -> None:
        """Require that each installation script is declared as not needed; raises BadDefinition."""
        declared = self.container.debian.scripts
        with_scripts = {one.name for one in self.lock.debs if self._package(one).scripts}
        problems = [
            f"{name} has a script that an installation runs: say in debian.scripts why it need not"
            for name in sorted(with_scripts - set(declared))
        ]
        problems += [f"debian.scripts names {name}, which has none" for name in sorted(set(declared) - with_scripts)]
        if problems:
            raise BadDefinition("\n".join(f"{self.container.name}: {one}" for one in problems))

    def prepare(self) -> None:
        """Unpack the interpreter before threads use it."""
        if self._compiles():
            self.interpreter()

    def _locked(self, name: str) -> LockedDeb:
        return next(one for one in self.lock.debs if one.name == name)

    def _package(self, locked: LockedDeb) -> package.Package:
        contents = package.read(self.cache.read(locked.artifact), name=locked.artifact.name)
        identity = contents.control.get("Package"), contents.control.get("Version")
        if identity != (locked.name, locked.version):
            raise Refusal(
                f"{locked.artifact.name} says it is {identity[0]} {identity[1]}, "
                f"and the lock {locked.name} {locked.version}"
            )
        return contents

    def _deb(self, locked: LockedDeb) -> list[Entry]:
        contents = self._package(locked)
        status = file(STATUS + locked.name, contents.text.rstrip("\n").encode() + b"\n")
        return [*contents.entries, status]

    def _wheel(self, component: Component) -> list[Entry]:
        if component.kind == "own" and self.own_wheel:
            name, data = self.own_wheel
        else:
            locked = next(one for one in self.lock.wheels if one.name == component.name)
            name, data = locked.file, self.cache.read(locked.artifact)
        wheels = self.container.wheels
        folder = f"usr/local/lib/python{wheels.python if wheels else '3'}/dist-packages"
        contents = wheel.read(data, name=name)
        wanted = wheels.scripts if wheels else ()
        return [
            *(file(f"{folder}/{one.path}", one.content, mode=one.mode) for one in contents.entries),
            *(
                file(SCRIPTS + name, content, mode=0o755)
                for name, content in sorted(contents.scripts.items())
                if name in wanted
            ),
        ]

    def _files(self) -> list[Entry]:
        authorities = [one for one in self.lock.debs if one.name == "ca-certificates"]
        return system_files.entries(self.container, self.lock) + system_files.ca_bundle(
            entry for one in authorities for entry in self._package(one).entries
        )

    def _compiles(self) -> bool:
        return self.container.wheels is not None and self.container.wheels.bytecode

    def _bytecode(self, entries: Iterable[Entry]) -> list[Entry]:
        if not self._compiles() or not any(one.path.endswith(".py") for one in entries):
            return []
        return bytecode.compiled(entries, interpreter=self.interpreter())

    def interpreter(self) -> bytecode.Interpreter:
        """Return the image's own Python, unpacked into the cache at first use."""
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
        temporary = Path(tempfile.mkdtemp(dir=root.parent))
        entries: Mapping[str, Entry] = {
            entry.path: entry
            for one in self.lock.debs
            for entry in self._package(one).entries
            if entry.kind != "directory"
        }
        for path, entry in sorted(entries.items()):
            if not path.startswith(("usr/bin/", "usr/lib")):
                continue
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == "symlink":
                place.symlink_to(_relative(path, entry.target))
            else:
                place.write_bytes(entry.content)
                place.chmod(entry.mode & 0o777)
        try:
            temporary.rename(root)
        except OSError:  # another build was faster
            shutil.rmtree(temporary)


def _relative(path: str, target: str) -> str:
    """Return a link's target without a leading slash, so that it stays in the unpacked root."""
    if not target.startswith("/"):
        return target
    return "../" * path.count("/") + package.merged(target.lstrip("/"))
