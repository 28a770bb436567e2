"""What can stop a delivery. Each kind of error has an exit code of its own, so that scripts can tell them apart.

Refusal          1  something is not as declared; the message says what and where
|-- BadDefinition  2  container.toml, a lock or an option cannot be understood
|-- Stale          3  the lock names packages that are nowhere to be had any more
|-- Unreachable    4  an archive, index or registry did not answer
|-- Tampered       5  bytes are not those whose hash was promised
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
    """The lock names things that are gone; `gone` lists them as "name version" texts."""

    exit_code = 3

    def __init__(self, gone: Sequence[str], *, advice: str) -> None:
        self.gone = tuple(gone)
        lines = "\n".join(f"  {one}" for one in self.gone)
        super().__init__(f"the lock is stale, {len(self.gone)} of its packages are gone:\n{lines}\n{advice}")


class Unreachable(Refusal):
    """A place that was asked for bytes did not answer."""

    exit_code = 4


class Tampered(Refusal):
    """Bytes are not those that were promised; the message names the file."""

    exit_code = 5
