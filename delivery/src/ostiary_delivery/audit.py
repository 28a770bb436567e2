"""What an image must not hold: shells, package managers, files that give away rights, one file from two packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SHELLS: Final = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "rbash", "sh", "tcsh", "zsh"})
MANAGERS: Final = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dnf", "dpkg", "easy_install", "npm", "pip", "pip3", "rpm", "uv"}
)
PROGRAMS: Final = frozenset({"usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "bin", "sbin"})
RIGHTS: Final = 0o6000


@dataclass(frozen=True, slots=True)
class Seen:
    """One file of a layer: path, kind and mode."""

    path: str
    kind: str
    mode: int


def problems(layers: Mapping[str, Sequence[Seen]]) -> list[str]:
    """Return one line for each thing that must not be; layers are given by title, in their order."""
    owners: dict[str, str] = {}
    found = []
    for title, files in layers.items():
        for file in files:
            found += [f"{title}: /{file.path} {why}" for why in _refused(file)]
            if file.kind != "directory" and owners.setdefault(file.path, title) != title:
                found.append(f"{title}: /{file.path} is in {owners[file.path]} too")
    return found


def _refused(file: Seen) -> Iterable[str]:
    folder, _, name = file.path.rpartition("/")
    if file.kind == "file" and file.mode & RIGHTS:
        yield "runs with its owner's rights"
    if file.kind == "directory" and file.mode & 0o002 and not file.mode & 0o1000:
        yield "is a folder where everybody can replace everything"
    if folder in PROGRAMS and name in SHELLS:
        yield "is a shell"
    if folder in PROGRAMS and name in MANAGERS:
        yield "is a package manager"
