"""Requirements files with hashes, as uv and pip-tools write them, evaluated for the image's Python."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from packaging.markers import Marker, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from ostiary_delivery.errors import BadDefinition, Refusal

MACHINES: Final = {"amd64": "x86_64", "arm64": "aarch64"}
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One package at one version, with the hashes (hex) of its files."""

    name: str
    version: str
    hashes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The image's Python: its version as "3.13", Debian's name of the architecture, the C library's version."""

    python: str
    architecture: str
    glibc: str

    @property
    def machine(self) -> str:
        """Python's name of the architecture."""
        return MACHINES.get(self.architecture, self.architecture)

    def environment(self, extra: str = "") -> dict[str, str]:
        """Return the values of environment markers (PEP 508)."""
        here = cast("dict[str, str]", default_environment())
        return here | {
            "extra": extra,
            "implementation_name": "cpython",
            "implementation_version": f"{self.python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    def holds(self, marker: Marker | None, *, extras: Iterable[str] = ()) -> bool:
        """Return whether a marker holds on the target, with any of the extras or without."""
        return marker is None or any(marker.evaluate(self.environment(extra)) for extra in ("", *extras))


def read(path: Path, *, target: Target) -> dict[str, Pin]:
    """Return the pins of a requirements file for the target, by canonical name.

    Raises:
        BadDefinition: the file is missing, or pins something without a version or without hashes.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadDefinition(f"{path} is missing") from error
    pins: dict[str, Pin] = {}
    for line in re.sub(r"\\\n", " ", text).splitlines():
        words = line.partition("--hash=")[0].strip()
        if not words or words.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(words)
        except InvalidRequirement as error:
            raise BadDefinition(f"{path}: {words!r} is not understood") from error
        versions = [one for one in requirement.specifier if one.operator == "=="]
        hashes = frozenset(_HASH.findall(line))
        if len(versions) != 1 or not hashes:
            raise BadDefinition(f"{path}: {requirement.name} must be pinned with == and with hashes")
        if target.holds(requirement.marker):
            name = canonicalize_name(requirement.name)
            pins[name] = Pin(name=name, version=versions[0].version, hashes=hashes)
    return pins


def dependencies(requires: Iterable[str], *, target: Target, extras: Iterable[str] = ()) -> dict[str, frozenset[str]]:
    """Return the dependencies of a package on the target: name -> extras."""
    extras_by_name: dict[str, frozenset[str]] = {}
    for text in requires:
        requirement = Requirement(text)
        if target.holds(requirement.marker, extras=extras):
            name = canonicalize_name(requirement.name)
            extras_by_name[name] = extras_by_name.get(name, frozenset()) | frozenset(requirement.extras)
    return extras_by_name


def require_pin(name: str, pins: Mapping[str, Pin], *, required_by: str) -> Pin:
    """Return the pin of a name.

    Raises:
        Refusal: the requirements file does not have it.
    """
    if name not in pins:
        raise Refusal(f"{required_by} needs {name}, and the requirements do not pin it: lock the requirements again")
    return pins[name]
