"""The discovery job: every hour, and soon after a file of the directory has changed.

Changes are found by polling names, sizes, times and inodes every few seconds. That needs no dependency, works on
network file systems and with the link swapping of mounted ConfigMaps (where inotify reports only hidden names), and
costs a few system calls for a directory of a hundred files.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ostiary.blueprints.discovery import Discovery
from ostiary.blueprints.files import Signature, signature
from ostiary.room import MINUTE, Job
from ostiary.store.database import Batch, Database
from ostiary.store.loop import Loop
from ostiary.tasks.job import enqueue

DISCOVER: Final = "blueprints.discover"
WATCH_SECONDS: Final = 3.0
WATCH_BOUND: Final = 60.0  # seconds


def discovery_jobs(discovery: Discovery) -> Sequence[Job]:
    """Return this room's job: look at everything once an hour, and whenever it is queued."""

    async def discover(args: Mapping[str, object], *, now: int) -> None:
        del args
        await discovery.run(now=now)

    summary = "Reads every blueprint and applies those that are new or have changed; also when a file changes"
    return (Job(DISCOVER, discover, summary, schedule=60 * MINUTE),)


def watch(database: Database, directory: Path, *, clock: Callable[[], int], seconds: float = WATCH_SECONDS) -> Loop:
    """Return the loop that queues the job at once, and then whenever the directory has changed.

    `clock` gives microseconds UTC. Several processes that watch one directory queue one job.
    """
    previous: Signature | None = None

    async def turn() -> None:
        nonlocal previous
        current = await asyncio.to_thread(signature, directory)
        if current != previous:
            key = None if previous is None else _key(current)
            await database.write(lambda: _enqueue(key, clock()))
            previous = current

    return Loop("folder of blueprints", turn, every=seconds, bound=WATCH_BOUND)


def _key(current: Signature) -> str:
    return f"{DISCOVER}:{hashlib.sha256(repr(sorted(current)).encode()).hexdigest()}"


def _enqueue(key: str | None, now: int) -> Batch[None]:
    yield enqueue(DISCOVER, {}, key=key, now=now)
