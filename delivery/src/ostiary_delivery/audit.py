"""Audit of layers: no shell, no package manager, no setuid file, no world-writable folder, no file of two packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SHELLS: Final = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "rbash", "sh", "tcsh", "zsh"})
MANAGERS: Final = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dnf", "dpkg", "easy_install", "npm", "pip", "pip3", "rpm", "uv"}
)
PROGRAMS: Final = frozenset({"usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "bin", "sbin"})
SETUID_OR_SETGID: Final = 0o6000


@dataclass(frozen=True, slots=True)
class LayerFile:
    """One file of a layer: path, kind and mode."""

    path: str
    kind: str
    mode: int


def validate_layers(layers: Mapping[str, Sequence[LayerFile]]) -> list[str]:
    """Return one line for each violation; `layers` are files by the title of their layer, in the image's order."""
    owners: dict[str, str] = {}
    problems = []
    for title, files in layers.items():
        for file in files:
            problems += [f"{title}: /{file.path} {why}" for why in _violations(file)]
            if file.kind != "directory" and owners.setdefault(file.path, title) != title:
                problems.append(f"{title}: /{file.path} is in {owners[file.path]} too")
    return problems


def _violations(file: LayerFile) -> Iterable[str]:
    folder, _, name = file.path.rpartition("/")
    if file.kind == "file" and file.mode & SETUID_OR_SETGID:
        yield "runs with its owner's rights"
    if file.kind == "directory" and file.mode & 0o002 and not file.mode & 0o1000:
        yield "is a folder where everybody can replace everything"
    if folder in PROGRAMS and name in SHELLS:
        yield "is a shell"
    if folder in PROGRAMS and name in MANAGERS:
        yield "is a package manager"
