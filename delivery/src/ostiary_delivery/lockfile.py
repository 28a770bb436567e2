"""`containers/<name>/container.lock`: every input of an image with its hash. It names no host.

Sorted JSON, so that changes are easy to review. The SHA-256 of the lock identifies all inputs.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ostiary_delivery.cache import Artifact, write
from ostiary_delivery.errors import BadDefinition

FILE: Final = "container.lock"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedSuite:
    """A suite at the time of locking; `sha256` (hex) is the hash of its signed release."""

    suite: str
    codename: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedDeb:
    """A Debian package; `path` is relative to the archive that carries `suite`."""

    name: str
    version: str
    architecture: str
    source: str
    suite: str
    path: str
    sha256: str
    size: int

    @property
    def artifact(self) -> Artifact:
        """The file in the archive or index."""
        return Artifact(name=self.path.rpartition("/")[2], sha256=self.sha256, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedWheel:
    """A Python package from an index."""

    name: str
    version: str
    file: str
    sha256: str
    size: int

    @property
    def artifact(self) -> Artifact:
        """The file in the archive or index."""
        return Artifact(name=self.file, sha256=self.sha256, size=self.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressor:
    """The compressor of layers: name, level, and the hash of a probe that tells its builds apart."""

    name: str
    level: int
    probe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """All inputs of one container. `epoch` (seconds since 1970) is the image's date of creation."""

    container: str
    architecture: str
    epoch: int
    compressor: Compressor
    suites: tuple[LockedSuite, ...]
    debs: tuple[LockedDeb, ...]
    wheels: tuple[LockedWheel, ...]


def text(lock: Lock) -> str:
    """Return a lock as its file holds it."""
    return json.dumps({"format": FORMAT, **asdict(lock)}, indent=1, sort_keys=True) + "\n"


def identity(lock: Lock) -> str:
    """Return the SHA-256 (hex) of the lock."""
    return hashlib.sha256(text(lock).encode()).hexdigest()


def save(folder: Path, lock: Lock) -> None:
    """Write a container's lock."""
    write(folder / FILE, text(lock).encode())


def load(folder: Path) -> Lock:
    """Read a container's lock.

    Raises:
        BadDefinition: it is missing or malformed.
    """
    path = folder / FILE
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if table.pop("format") != FORMAT:
            raise BadDefinition(f"{path} has another format: lock again")
        return _lock(table)
    except FileNotFoundError as error:
        raise BadDefinition(f"{path} is missing: run `ostiary-delivery lock {folder.name}`") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadDefinition(f"{path} is not a lock: {error}") from error


def _lock(table: dict[str, Any]) -> Lock:
    return Lock(
        container=table["container"],
        architecture=table["architecture"],
        epoch=table["epoch"],
        compressor=Compressor(**table["compressor"]),
        suites=tuple(LockedSuite(**one) for one in table["suites"]),
        debs=tuple(LockedDeb(**one) for one in table["debs"]),
        wheels=tuple(LockedWheel(**one) for one in table["wheels"]),
    )
