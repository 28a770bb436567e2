"""The cache of inputs, by SHA-256. A file is downloaded once, resumed after an interruption, and verified at each use.

Read-only folders (a store path, a disk) can serve inputs too, under their hash or their name.
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
ATTEMPTS: Final = 3
TIMEOUT: Final = 60
Advance = Callable[[int], None]


class Absent(Refusal):
    """The server or folder does not have the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """An expected file: its name for people, its SHA-256 (hex) and its size in bytes."""

    name: str
    sha256: str
    size: int


class Cache:
    """Files by SHA-256 below `root`, and read-only folders of inputs."""

    def __init__(self, root: Path, *, inputs: Sequence[Path] = ()) -> None:
        self.root = root
        self._inputs = tuple(inputs)

    def path(self, sha256: str) -> Path:
        """Return the path for a SHA-256 (hex), whether the file exists or not."""
        return self.root / "sha256" / sha256[:2] / sha256

    def has(self, artifact: Artifact) -> bool:
        """Return whether the file exists. Its bytes are not read."""
        return self._find(artifact) is not None

    def read(self, artifact: Artifact) -> bytes:
        """Return the verified bytes of a file.

        Raises:
            Absent: the file is not in the cache.
            Tampered: its hash differs; the message names the file.
        """
        path = self._find(artifact)
        if path is None:
            raise Absent(f"{artifact.name} is not in the cache")
        data = path.read_bytes()
        actual = hashlib.sha256(data).hexdigest()
        if actual != artifact.sha256:
            raise Tampered(
                f"{artifact.name} is not what was locked: expected {artifact.sha256}, found {actual} in {path}"
            )
        return data

    def put(self, data: bytes) -> str:
        """Store bytes and return their SHA-256 (hex)."""
        sha256 = hashlib.sha256(data).hexdigest()
        write(self.path(sha256), data)
        return sha256

    def fetch(self, url: str, artifact: Artifact, *, advance: Advance = lambda _: None) -> None:
        """Download a file unless it is cached. An interrupted download is resumed.

        Raises:
            Absent: the server does not have the file.
            Unreachable: the server does not answer.
            Tampered: the server has other bytes under that name.
        """
        if self.has(artifact):
            advance(artifact.size)
            return
        part = self.path(artifact.sha256).with_suffix(".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as guard:  # of two builds one downloads, the other waits
            fcntl.flock(guard, fcntl.LOCK_EX)
            if not self.has(artifact):
                self._download(url, part, artifact, advance=advance)

    def _download(self, url: str, part: Path, artifact: Artifact, *, advance: Advance) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _resume(url, part, advance=advance)
                if part.stat().st_size < artifact.size:
                    # A server that hangs up ends a body without an error.
                    raise ConnectionError(f"{artifact.name} ended early")
                break
            except urllib.error.HTTPError as error:
                if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
                    raise Absent(f"{artifact.name} is not there: {url}") from error
                if attempt == ATTEMPTS:
                    raise Unreachable(f"{url} answers {error.code} {error.reason}") from error
            except OSError as error:
                if isinstance(getattr(error, "reason", error), FileNotFoundError):
                    raise Absent(f"{artifact.name} is not there: {url}") from error
                if attempt == ATTEMPTS:
                    raise Unreachable(f"{url} does not answer: {error}") from error
        self._verify(part, artifact, url)

    def _verify(self, part: Path, artifact: Artifact, url: str) -> None:
        actual = hashlib.sha256(part.read_bytes()).hexdigest()
        if actual != artifact.sha256:
            part.unlink()
            raise Tampered(
                f"{artifact.name} is not what was promised: expected {artifact.sha256}, found {actual} at {url}"
            )
        part.replace(self.path(artifact.sha256))

    def _find(self, artifact: Artifact) -> Path | None:
        places = [self.path(artifact.sha256)]
        for folder in self._inputs:
            places += [
                folder / "sha256" / artifact.sha256[:2] / artifact.sha256,
                folder / artifact.sha256,
                folder / artifact.name,
            ]
        return next((path for path in places if path.is_file()), None)


def get(url: str, *, limit: int) -> bytes:
    """Return the body at a URL.

    Raises:
        Absent: the server answers 404.
        Unreachable: the server does not answer, or sends more than `limit` bytes.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:  # noqa: S310 - the place is a setting
            data: bytes = response.read(limit + 1)
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
    """Write a file atomically: readers see the old bytes or the new ones."""
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


def _resume(url: str, part: Path, *, advance: Advance) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url)  # noqa: S310 - the place is a setting
    if have and not url.startswith("file:"):
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310 - the place is a setting
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            advance(have)
            return  # the file was complete
        raise
    with response:
        resumed = getattr(response, "status", None) == HTTPStatus.PARTIAL_CONTENT
        if resumed:
            advance(have)
        with part.open("ab" if resumed else "wb") as file:
            while data := response.read(CHUNK):
                file.write(data)
                advance(len(data))
