"""Expiry of sessions. It runs the same hooks as a sign-out, for a bounded number of sessions per transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from ostiary.sessions import repository
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.sweeping import in_bites
from ostiary.store.workspace.commit import run

AT_ONCE: Final = 25  # sessions per transaction, so that other writes are not delayed

OnEnd = Callable[[bytes, int], Iterable[Statement]]


async def end_expired(database: Database, on_end: Sequence[OnEnd], now: int) -> int:
    """End the expired sessions and return their number. `on_end` are the hooks of `Sessions`."""
    ended = 0

    async def end_some() -> int:
        nonlocal ended
        keys = await repository.expired_keys(database, now, most=AT_ONCE)
        if keys:
            ended += await database.write(partial(_end, keys, on_end, now))
        return len(keys)

    await in_bites(end_some, size=1)
    return ended


def _end(keys: Sequence[bytes], on_end: Sequence[OnEnd], now: int) -> Batch[int]:
    ended = 0
    for key in keys:
        result = yield repository.remove_expired(key, now)
        if result.count:  # otherwise another process ended it first
            ended += 1
            yield from run([one for hook in on_end for one in hook(key, now)])
    return ended
