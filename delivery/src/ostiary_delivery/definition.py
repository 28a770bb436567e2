"""`containers/<name>/container.toml`: the definition of an image."""

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
    """Packages of the distribution. `without` and `scripts` map package names to reasons."""

    suites: tuple[str, ...]
    packages: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
    architecture: str = "amd64"
    without: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """Python packages: the project whose wheel is built here, and the locked requirements it is served from.

    `scripts` are programs that wheels bring and the image has in /usr/local/bin; no others.
    """

    project: str
    requirements: str
    python: str
    glibc: str = "2.41"
    extras: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    bytecode: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The configuration of the image. `directories` maps paths to modes; `owned` ones belong to the user."""

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
    """How components share layers: at most `budget` layers; a component below `smallest` bytes has none of its own."""

    budget: int = 60
    smallest: int = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """A package that must have the declared version in the image (`equals`, or the container's version)."""

    kind: str
    name: str
    equals: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One definition; `folder` holds its file."""

    name: str
    version: str
    folder: Path
    debian: Debian
    image: Image
    wheels: Wheels | None = None
    layers: Layers = field(default_factory=Layers)
    assertions: tuple[Assertion, ...] = ()
    parent: str | None = None


def names(repository: Path) -> list[str]:
    """Return the names of a repository's containers, sorted."""
    return sorted(path.parent.name for path in (repository / FOLDER).glob(f"*/{FILE}"))


def read(repository: Path, name: str) -> Container:
    """Read one definition.

    Raises:
        BadDefinition: it is missing or malformed; the message names the file.
    """
    path = repository / FOLDER / name / FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        names_found = ", ".join(names(repository)) or "none"
        raise BadDefinition(f"{path}: there is no such container; known: {names_found}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadDefinition(f"{path}: {error}") from error
    return _Reader(path, table).container()


class _Reader:
    """Parser of the TOML table. Its errors name the file."""

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self._table = table

    def container(self) -> Container:
        top = self._table
        self._reject_unknown_keys(
            top, "the file", {"name", "version", "parent", "debian", "wheels", "image", "layers", "assert"}
        )
        name, version = self._text(top, "name"), self._text(top, "version")
        if name != self._path.parent.name or not NAME.fullmatch(name):
            self._fail(f"name is {name!r} and its folder {self._path.parent.name!r}")
        parent = self._text(top, "parent", default="") or None
        if parent and not name.startswith(f"{parent}-"):
            self._fail(f"its parent is {parent!r}, so its name must begin with '{parent}-'")
        return Container(
            name=name,
            version=version,
            folder=self._path.parent,
            parent=parent,
            debian=self._debian(self._subtable(top, "debian")),
            wheels=self._wheels(self._subtable(top, "wheels")) if "wheels" in top else None,
            image=self._image(self._subtable(top, "image")),
            layers=self._layers(self._subtable(top, "layers")),
            assertions=tuple(self._assertion(one, version) for one in self._list(top, "assert")),
        )

    def _debian(self, table: Table) -> Debian:
        self._reject_unknown_keys(
            table, "debian", {"suites", "packages", "components", "architecture", "without", "scripts"}
        )
        return Debian(
            suites=self._text_list(table, "suites"),
            packages=self._text_list(table, "packages"),
            components=self._text_list(table, "components") or ("main",),
            architecture=self._text(table, "architecture", default="amd64"),
            without=self._text_table(table, "without"),
            scripts=self._text_table(table, "scripts"),
        )

    def _wheels(self, table: Table) -> Wheels:
        known = {"project", "requirements", "python", "glibc", "extras", "scripts", "bytecode"}
        self._reject_unknown_keys(table, "wheels", known)
        return Wheels(
            project=self._text(table, "project"),
            requirements=self._text(table, "requirements"),
            python=self._text(table, "python"),
            glibc=self._text(table, "glibc", default="2.41"),
            extras=self._text_list(table, "extras"),
            scripts=self._text_list(table, "scripts"),
            bytecode=table.get("bytecode", True) is True,
        )

    def _image(self, table: Table) -> Image:
        known = {"entry", "command", "user", "environment", "ports", "directories", "owned", "programs", "drop", "keep"}
        self._reject_unknown_keys(table, "image", known | {"labels"})
        ports = [port for port in self._list(table, "ports") if isinstance(port, int)]
        return Image(
            entry=self._text_list(table, "entry"),
            command=self._text_list(table, "command"),
            user=self._number(table, "user", default=65534),
            environment=self._text_table(table, "environment"),
            ports=tuple(ports),
            directories={path: self._mode(mode) for path, mode in self._text_table(table, "directories").items()},
            owned=self._text_list(table, "owned"),
            programs=self._text_table(table, "programs"),
            drop=self._text_list(table, "drop"),
            keep=self._text_list(table, "keep"),
            labels=self._text_table(table, "labels"),
        )

    def _layers(self, table: Table) -> Layers:
        self._reject_unknown_keys(table, "layers", {"budget", "smallest"})
        return Layers(
            budget=self._number(table, "budget", default=60),
            smallest=self._number(table, "smallest", default=64 * 1024),
        )

    def _assertion(self, table: object, version: str) -> Assertion:
        if not isinstance(table, Mapping):
            self._fail("assert: each is a table")
        self._reject_unknown_keys(table, "assert", {"deb", "wheel", "equals"})
        kind = "deb" if "deb" in table else "wheel"
        return Assertion(kind=kind, name=self._text(table, kind), equals=self._text(table, "equals", default=version))

    def _subtable(self, table: Table, key: str) -> Table:
        value = table.get(key, {})
        if not isinstance(value, Mapping):
            self._fail(f"{key} must be a table")
        return value

    def _list(self, table: Table, key: str) -> list[object]:
        value = table.get(key, [])
        if not isinstance(value, list):
            self._fail(f"{key} must be a list")
        return value

    def _text(self, table: Table, key: str, *, default: str | None = None) -> str:
        value = table.get(key, default)
        if not isinstance(value, str):
            self._fail(f"{key} must be a text")
        return value

    def _number(self, table: Table, key: str, *, default: int) -> int:
        value = table.get(key, default)
        if not isinstance(value, int):
            self._fail(f"{key} must be a number")
        return value

    def _text_list(self, table: Table, key: str) -> tuple[str, ...]:
        return tuple(
            one if isinstance(one, str) else self._fail(f"{key} holds texts") for one in self._list(table, key)
        )

    def _text_table(self, table: Table, key: str) -> dict[str, str]:
        value = self._subtable(table, key)
        return {
            name: one if isinstance(one, str) else self._fail(f"{key}.{name} must be a text")
            for name, one in value.items()
        }

    def _mode(self, text: str) -> int:
        try:
            return int(text, 8)
        except ValueError:
            return self._fail(f"{text!r} is not a mode")

    def _reject_unknown_keys(self, table: Table, where: str, known: set[str]) -> None:
        unknown = sorted(set(table) - known)
        if unknown:
            self._fail(f"{where} has unknown keys: {', '.join(unknown)}")

    def _fail(self, message: str) -> NoReturn:
        raise BadDefinition(f"{self._path}: {message}")
