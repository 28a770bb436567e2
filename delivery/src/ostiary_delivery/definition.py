"""`containers/<name>/container.toml`: what an image consists of, as a person declares it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from ostiary_delivery.errors import BadDefinition

FILE: Final = "container.toml"
FOLDER: Final = "containers"
NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
Table = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """Packages of the distribution. `without` and `scripts` map names to why they are left out, or not run."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    architecture: str = "amd64"
    without: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """Python packages: the project whose wheel is built here, and the locked requirements it is served from."""

    project: str
    requirements: str
    python: str
    glibc: str = "2.41"
    extras: tuple[str, ...] = ()
    bytecode: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a runtime needs to know. Directories map a path to its mode; `owned` ones belong to the user."""

    entry: tuple[str, ...]
    command: tuple[str, ...] = ()
    user: int = 65534
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    directories: Mapping[str, int] = field(default_factory=dict)
    owned: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """How units share layers: at most `budget` layers, and none of its own for less than `smallest` bytes."""

    budget: int = 60
    smallest: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A package whose version inside the image must be the declared one (`equals`, or the container's version)."""

    kind: str
    name: str
    equals: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One definition; `folder` is where it lies."""

    name: str
    version: str
    folder: Path
    debian: Debian
    image: Image
    wheels: Wheels | None = None
    layers: Layers = field(default_factory=Layers)
    promises: tuple[Promise, ...] = ()
    parent: str | None = None


def names(repository: Path) -> list[str]:
    """Return the names of a repository's containers, sorted."""
    return sorted(path.parent.name for path in (repository / FOLDER).glob(f"*/{FILE}"))


def read(repository: Path, name: str) -> Container:
    """Read one definition.

    Raises:
        BadDefinition: it is missing or says something that is not understood; the message names the file.
    """
    path = repository / FOLDER / name / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        known = ", ".join(names(repository)) or "none"
        raise BadDefinition(f"{path}: there is no such container; known: {known}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    return _Reader(path, table).container()


class _Reader:
    """Takes a table apart and says where something is wrong."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table

    def container(self) -> Container:
        top = self._table
        self._only(top, "the file", {"name", "version", "parent", "debian", "wheels", "image", "layers", "assert"})
        name, version = self._text(top, "name"), self._text(top, "version")
        if name != self._path.parent.name or not NAME.fullmatch(name):
            self._wrong(f"name is {name!r} and its folder {self._path.parent.name!r}")
        parent = self._text(top, "parent", default="") or None
        if parent and not name.startswith(f"{parent}-"):
            self._wrong(f"its parent is {parent!r}, so its name must begin with '{parent}-'")
        return Container(
            name=name,
            version=version,
            folder=self._path.parent,
            parent=parent,
            debian=self._debian(self._part(top, "debian")),
            wheels=self._wheels(self._part(top, "wheels")) if "wheels" in top else None,
            image=self._image(self._part(top, "image")),
            layers=self._layers(self._part(top, "layers")),
            promises=tuple(self._promise(one, version) for one in self._list(top, "assert")),
        )

    def _debian(self, table: Table) -> Debian:
        self._only(table, "debian", {"suites", "packages", "components", "architecture", "without", "scripts"})
        return Debian(
            suites=self._texts(table, "suites"),
            packages=self._texts(table, "packages"),
            components=self._texts(table, "components") or ("main",),
            architecture=self._text(table, "architecture", default="amd64"),
            without=self._reasons(table, "without"),
            scripts=self._reasons(table, "scripts"),
        )

    def _wheels(self, table: Table) -> Wheels:
        self._only(table, "wheels", {"project", "requirements", "python", "glibc", "extras", "bytecode"})
        return Wheels(
            project=self._text(table, "project"),
            requirements=self._text(table, "requirements"),
            python=self._text(table, "python"),
            glibc=self._text(table, "glibc", default="2.41"),
            extras=self._texts(table, "extras"),
            bytecode=table.get("bytecode", True) is True,
        )

    def _image(self, table: Table) -> Image:
        known = {"entry", "command", "user", "environment", "ports", "directories", "owned", "programs", "drop", "keep"}
        self._only(table, "image", known | {"labels"})
        ports = [port for port in self._list(table, "ports") if isinstance(port, int)]
        return Image(
            entry=self._texts(table, "entry"),
            command=self._texts(table, "command"),
            user=self._number(table, "user", default=65534),
            environment=self._reasons(table, "environment"),
            ports=tuple(ports),
            directories={path: self._mode(mode) for path, mode in self._reasons(table, "directories").items()},
            owned=self._texts(table, "owned"),
            programs=self._reasons(table, "programs"),
            drop=self._texts(table, "drop"),
            keep=self._texts(table, "keep"),
            labels=self._reasons(table, "labels"),
        )

    def _layers(self, table: Table) -> Layers:
        self._only(table, "layers", {"budget", "smallest"})
        return Layers(
            budget=self._number(table, "budget", default=60),
            smallest=self._number(table, "smallest", default=64 * 1024),
        )

    def _promise(self, table: object, version: str) -> Promise:
        if not isinstance(table, Mapping):
            self._wrong("assert: each is a table")
        self._only(table, "assert", {"deb", "wheel", "equals"})
        kind = "deb" if "deb" in table else "wheel"
        return Promise(kind=kind, name=self._text(table, kind), equals=self._text(table, "equals", default=version))

    def _part(self, table: Table, key: str) -> Table:
        found = table.get(key, {})
        if not isinstance(found, Mapping):
            self._wrong(f"{key} must be a table")
        return found

    def _list(self, table: Table, key: str) -> list[object]:
        found = table.get(key, [])
        if not isinstance(found, list):
            self._wrong(f"{key} must be a list")
        return found

    def _text(self, table: Table, key: str, *, default: str | None = None) -> str:
        found = table.get(key, default)
        if not isinstance(found, str):
            self._wrong(f"{key} must be a text")
        return found

    def _number(self, table: Table, key: str, *, default: int) -> int:
        found = table.get(key, default)
        if not isinstance(found, int):
            self._wrong(f"{key} must be a number")
        return found

    def _texts(self, table: Table, key: str) -> tuple[str, ...]:
        return tuple(
            one if isinstance(one, str) else self._wrong(f"{key} holds texts") for one in self._list(table, key)
        )

    def _reasons(self, table: Table, key: str) -> dict[str, str]:
        found = self._part(table, key)
        return {
            name: one if isinstance(one, str) else self._wrong(f"{key}.{name} must be a text")
            for name, one in found.items()
        }

    def _mode(self, text: str) -> int:
        try:
            return int(text, 8)
        except ValueError:
            return self._wrong(f"{text!r} is not a mode")

    def _only(self, table: Table, where: str, known: set[str]) -> None:
        unknown = sorted(set(table) - known)
        if unknown:
            self._wrong(f"{where} does not know {', '.join(unknown)}")

    def _wrong(self, message: str) -> NoReturn:
        raise BadDefinition(f"{self._path}: {message}")
