"""Files of an image before they are packed: a path, a kind, a mode and bytes. No owners, no times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import normpath
from typing import Literal

from ostiary_delivery.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file, folder or link. The path has no slash at either end; `owned` ones belong to the image's user."""

    path: str
    kind: Literal["file", "directory", "symlink"]
    mode: int
    content: bytes = b""
    target: str = ""
    owned: bool = False


def file(path: str, content: bytes, *, mode: int = 0o644) -> Entry:
    """Return a file."""
    return Entry(path=path, kind="file", mode=mode, content=content)


def link(path: str, target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(path=path, kind="symlink", mode=0o777, target=target)


def clean(name: str, *, origin: str) -> str:
    """Return an archive member's name as a path of an image; the root becomes an empty text.

    Raises:
        Refusal: the name leads out of the archive.
    """
    path = normpath(name.lstrip("/"))
    if path == ".." or path.startswith("../") or "\0" in path:
        raise Refusal(f"{origin} holds {name!r}, which leads out of it")
    return "" if path == "." else path


def filtered(entries: Iterable[Entry], *, drop: Sequence[str], keep: Sequence[str]) -> tuple[list[Entry], set[str]]:
    """Return the entries that no glob of `drop` matches, or one of `keep` does, and the globs that were of use.

    A `*` goes across slashes. Folders that held only what was dropped go too.
    """
    used: set[str] = set()
    left = []
    for entry in entries:
        dropping = [glob for glob in drop if fnmatchcase(entry.path, glob)]
        keeping = [glob for glob in keep if fnmatchcase(entry.path, glob)] if dropping else []
        used |= {*dropping, *keeping}
        if not dropping or (keeping and entry.kind != "directory"):
            left.append(entry)
    return left, used


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries and the folders above them, sorted by path; of two with the same path the last one stays."""
    found: dict[str, Entry] = {}
    for entry in entries:
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in found:
            found[parent] = Entry(path=parent, kind="directory", mode=0o755)
            parent = parent.rpartition("/")[0]
        if entry.kind == "directory" and entry.mode == 0o755 and entry.path in found:  # noqa: PLR2004 - the usual mode
            continue
        found[entry.path] = entry
    return [found[path] for path in sorted(found)]
