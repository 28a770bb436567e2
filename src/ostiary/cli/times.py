"""Times in the arguments and the output of commands. Inside the program they are microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

SECOND: Final = 1_000_000  # microseconds


def show_time(microseconds: int) -> str:
    """Return a time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(microseconds / SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> int:
    """Return a time in ISO 8601 as microseconds UTC; without an offset it is local. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo is not None else moment.astimezone()).timestamp() * SECOND)
