"""Deletion of expired rows in bites. After a long pause there may be millions, and other writers must not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from ostiary.store.database import Statement, Value

BITE: Final = 250  # rows one statement deletes at most: a few milliseconds
MAX_PAUSE: Final = 1.0  # seconds between two bites


def bite(table: str, key: str, condition: str, *parameters: Value, order: str = "") -> Statement:
    """Return the statement that deletes at most `BITE` rows of a table that satisfy `over`.

    `key` are the columns that name a row, `order` the indexed column `over` compares. A result of `BITE` rows means
    that there may be more. The condition stands twice, so that a row extended meanwhile stays.
    """
    sorted_by = f" ORDER BY {order}" if order else ""
    # guard: A69 clean-up deletes in batches
    chosen = f"SELECT {key} FROM {table} WHERE {condition}{sorted_by} LIMIT {BITE}"
    names = f"({key})" if "," in key else key
    return Statement(f"DELETE FROM {table} WHERE {names} IN ({chosen}) AND {condition}", (*parameters, *parameters))


def expired(table: str, key: str, now: int) -> Statement:
    """Return the statement that deletes at most `BITE` rows whose column `expires` lies at or before `now`."""
    return bite(table, key, "expires <= ?", now, order="expires")


async def in_bites(work: Callable[[], Awaitable[int]], *, size: int = BITE) -> int:
    """Run the work until it touches fewer rows than `size`, and return the total number of rows.

    The pause between bites is as long as the last bite took, so that others can write.
    """
    total = 0
    while True:
        begun = time.monotonic()
        count = await work()
        total += count
        if count < size:
            return total
        await asyncio.sleep(min(time.monotonic() - begun, MAX_PAUSE))
