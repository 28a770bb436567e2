"""What this room gives to the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.directory import attempts, resources, tables, tokens
from ostiary.directory.tokens import Tokens
from ostiary.room import MINUTE, Job, Room

if TYPE_CHECKING:
    from ostiary.room import ServiceRegistry


def jobs(services: ServiceRegistry) -> tuple[Job]:
    """Return the job that gives another key to tokens that are to be rotated when they expire."""
    kept = services[Tokens]

    async def rotate(args: Mapping[str, object], *, now: int) -> None:
        del args
        await kept.rotate_expired(now)

    summary = "Gives each API token that has expired another key for a day, as authentik does"
    return (Job("directory.rotate_expired_tokens", rotate, summary, schedule=60 * MINUTE),)


ROOM: Final = Room(
    name="directory",
    kinds=resources.KINDS,
    migrations=tables.MIGRATIONS,
    sweeps=(tokens.sweep, attempts.sweep),
    jobs=jobs,
)
