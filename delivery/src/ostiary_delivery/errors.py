"""Errors of delivery. Each has its own exit code, so that scripts can tell them apart.

Refusal          1  something is not as declared; the message says what and where
|-- BadDefinition  2  container.toml, a lock or an option cannot be understood
|-- Stale          3  the lock names packages that no archive or index has any more
|-- Unreachable    4  an archive, index or registry did not answer
|-- Tampered       5  bytes do not have the expected hash
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class Refusal(Exception):
    """Something is not as declared."""

    exit_code: ClassVar[int] = 1


class BadDefinition(Refusal):
    """A file or an option cannot be understood."""

    exit_code = 2


class Stale(Refusal):
    """Locked packages cannot be had any more; `missing` lists them as "name version"."""

    exit_code = 3

    def __init__(self, missing: Sequence[str], *, advice: str) -> None:
        self.missing = tuple(missing)
        lines = "\n".join(f"  {one}" for one in self.missing)
        super().__init__(f"the lock is stale, {len(self.missing)} of its packages are gone:\n{lines}\n{advice}")


class Unreachable(Refusal):
    """A server did not answer."""

    exit_code = 4


class Tampered(Refusal):
    """Bytes do not have the expected hash; the message names the file."""

    exit_code = 5
