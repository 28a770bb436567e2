"""Named counters, for numbers that are needed before the row is inserted."""

from __future__ import annotations

from ostiary.store.database import Batch, Statement


def next_number(name: str) -> Batch[int]:
    """Return the next number of the counter, from 1. A number taken by a failed batch is reused."""
    rows = yield Statement(
        "INSERT INTO counter (name, value) VALUES (?, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = counter.value + 1 RETURNING value",
        (name,),
    )
    number: int = rows[0]["value"]
    return number
