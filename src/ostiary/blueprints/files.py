"""The blueprints directory: which files count, their bytes, and a cheap signature of all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary.blueprints.errors import Unreadable
from ostiary.blueprints.text.loader import MAX_BYTES
from ostiary.blueprints.text.source import TextPosition
from ostiary.blueprints.text.wrapper import SUFFIX

_MAX_TEXT_FILE: Final = 1_000_000

Signature = frozenset[tuple[str, int, int, int]]


def find_files(root: Path) -> list[tuple[str, Path]]:
    """Return (relative path, file) of every *.yaml below `root`, sorted; parts that begin with "." are skipped.

    Only parts below the root count (authentik looks at the whole path). A mounted ConfigMap shows each key as a link
    into "..data": the link is read, the hidden folder is not. Links to folders are not followed.
    """
    return sorted(_walk(root))


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in files:
            path = Path(folder, name)
            if name.endswith(SUFFIX) and not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix(), path


def signature(root: Path) -> Signature:
    """Return a signature of the directory (names, sizes, times, inodes), which changes with every change of a file."""
    entries = set()
    for name, path in _walk(root):
        try:
            facts = path.stat()
        except OSError:
            continue
        entries.add((name, facts.st_mtime_ns, facts.st_size, facts.st_ino))
    return frozenset(entries)


def read_bytes(file: Path, name: str) -> bytes:
    """Return the bytes of a file; `name` is for messages. Raises Unreadable."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable.at(TextPosition(name, 1, 1), f"cannot be read: {error.strerror or 'unknown reason'}") from None


def read_text_file(path: str) -> str | None:
    """Return the stripped text of a file for !File, or None when it cannot be read or is larger than a megabyte."""
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_MAX_TEXT_FILE + 1)
        return data.decode().strip() if len(data) <= _MAX_TEXT_FILE else None
    except (OSError, ValueError):
        return None
