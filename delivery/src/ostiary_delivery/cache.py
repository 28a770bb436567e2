"""The cache of inputs: every file under its own SHA-256, fetched once, resumed when interrupted, checked at every use.

Beside it stand read-only folders of inputs (a store path, a disk): a file is found there under its hash or its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import Refusal, Tampered, Unreachable

CHUNK: Final = 256 * 1024
TRIES: Final = 3
TIMEOUT: Final = 60
Advance = Callable[[int], None]


class Absent(Refusal):
    """A place answered that it does not have a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file somebody promised: its name for people, its hash (hex) and its size in bytes."""

    name: str
    sha256: str
    size: int


class Cache:
    """Files by their SHA-256 below one folder, with read-only folders beside it."""

    def __init__(self, root: Path, *, inputs: Sequence[Path] = ()) -> None:
        self.root = root
        self._inputs = tuple(inputs)

    def path(self, sha256: str) -> Path:
        """Return where a file with a hash (hex) lies or would lie."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, wanted: Wanted) -> bool:
        """Tell whether a file is here, without reading it."""
        return self._find(wanted) is not None

    def read(self, wanted: Wanted) -> bytes:
        """Return a file's bytes, checked.

        Raises:
            Absent: the file is not here.
            Tampered: it is here and its bytes are others; the message names it.
        """
        path = self._find(wanted)
        if path is None:
            raise Absent(f"{wanted.name} is not in the cache")
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != wanted.sha256:
            raise Tampered(f"{wanted.name} is not what was locked: expected {wanted.sha256}, found {found} in {path}")
        return data

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256 (hex)."""
        sha256 = hashlib.sha256(data).hexdigest()
        write(self.path(sha256), data)
        return sha256

    def fetch(self, url: str, wanted: Wanted, *, advance: Advance = lambda _: None) -> None:
        """Bring a file here unless it is, going on where an earlier try was interrupted.

        Raises:
            Absent: the place does not have it.
            Unreachable: the place does not answer.
            Tampered: the place has other bytes under that name.
        """
        if self.has(wanted):
            advance(wanted.size)
            return
        part = self.path(wanted.sha256).with_suffix(".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as guard:  # two builds at the same time: one fetches, the other finds
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not self.has(wanted):
                self._try(url, part, wanted, advance=advance)

    def _try(self, url: str, part: Path, wanted: Wanted, *, advance: Advance) -> None:
        for tried in range(1, TRIES + 1):
            try:
                _continue(url, part, advance=advance)
                if part.stat().st_size < wanted.size:
                    raise ConnectionError(f"{wanted.name} ended early")  # a server that hangs up ends a body in silence
                break
            except urllib.error.HTTPError as error:
                if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                    raise Absent(f"{wanted.name} is not there: {url}") from error
                if tried == TRIES:
                    raise Unreachable(f"{url} answers {error.code} {error.reason}") from error
            except OSError as error:
                if isinstance(getattr(error, "reason", error), FileNotFoundError):
                    raise Absent(f"{wanted.name} is not there: {url}") from error
                if tried == TRIES:
                    raise Unreachable(f"{url} does not answer: {error}") from error
        self._accept(part, wanted, url)

    def _accept(self, part: Path, wanted: Wanted, url: str) -> None:
        found = hashlib.sha256(part.read_bytes()).hexdigest()
        if found != wanted.sha256:
            part.unlink()
            raise Tampered(f"{wanted.name} is not what was promised: expected {wanted.sha256}, found {found} at {url}")
        part.replace(self.path(wanted.sha256))

    def _find(self, wanted: Wanted) -> Path | None:
        places = [self.path(wanted.sha256)]
        for folder in self._inputs:
            places += [
                folder / "sha256" / wanted.sha256[:2] / wanted.sha256,
                folder / wanted.sha256,
                folder / wanted.name,
            ]
        return next((path for path in places if path.is_file()), None)


def get(url: str, *, limit: int) -> bytes:
    """Return the bytes at a URL, at most `limit`.

    Raises:
        Absent: nothing is there.
        Unreachable: nobody answers, or too much comes.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - the place is a setting
            data: bytes = answer.read(limit + 1)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            raise Absent(f"nothing is at {url}") from error
        raise Unreachable(f"{url} answers {error.code} {error.reason}") from error
    except OSError as error:
        if isinstance(getattr(error, "reason", error), FileNotFoundError):
            raise Absent(f"nothing is at {url}") from error
        raise Unreachable(f"{url} does not answer: {error}") from error
    if len(data) > limit:
        raise Unreachable(f"{url} sends more than {limit} bytes")
    return data


def write(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _continue(url: str, part: Path, *, advance: Advance) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url)  # noqa: S310 - the place is a setting
    if have and not url.startswith("file:"):
        request.add_header("Range", f"bytes={have}-")
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310 - the place is a setting
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            advance(have)
            return  # all of it was here already
        raise
    with answer:
        resumed = getattr(answer, "status", None) == HTTPStatus.PARTIAL_CONTENT
        if resumed:
            advance(have)
        with part.open("ab" if resumed else "wb") as file:
            while data := answer.read(CHUNK):
                file.write(data)
                advance(len(data))
