"""Files of an image before packing: path, kind, mode and bytes, without owners and times."""

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
    """Normalize the name of an archive member to a path of an image; the root is an empty text.

    Raises:
        Refusal: the name leads out of the archive.
    """
    path = normpath(name.lstrip("/"))
    if path == ".." or path.startswith("../") or "\0" in path:
        raise Refusal(f"{origin} holds {name!r}, which leads out of it")
    return "" if path == "." else path


def filtered(entries: Iterable[Entry], *, drop: Sequence[str], keep: Sequence[str]) -> tuple[list[Entry], set[str]]:
    """Return the entries that no glob of `drop` matches, or one of `keep` does, and the globs that matched.

    A `*` matches slashes too. Folders without remaining files are dropped.
    """
    used: set[str] = set()
    remaining = []
    for entry in entries:
        dropped_by = [glob for glob in drop if fnmatchcase(entry.path, glob)]
        kept_by = [glob for glob in keep if fnmatchcase(entry.path, glob)] if dropped_by else []
        used |= {*dropped_by, *kept_by}
        if not dropped_by or (kept_by and entry.kind != "directory"):
            remaining.append(entry)
    return remaining, used


def with_parents(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries with their parent folders, sorted by path. Of entries with the same path the last one stays."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        parent = entry.path.rpartition("/")[0]
        while parent and parent not in by_path:
            by_path[parent] = Entry(path=parent, kind="directory", mode=0o755)
            parent = parent.rpartition("/")[0]
        if entry.kind == "directory" and entry.mode == 0o755 and entry.path in by_path:  # noqa: PLR2004 - the usual mode
            continue
        by_path[entry.path] = entry
    return [by_path[path] for path in sorted(by_path)]
