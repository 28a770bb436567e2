"""How often something happened within a window of time: a small counter for each key, one statement a hit."""

from __future__ import annotations

from typing import cast

from ostiary.store.database import Batch, Statement
from ostiary.store.sweeping import expired


def hit(key: str, *, window: int, now: int) -> Batch[int]:
    """Count one and return how often it was in the present window. `window` in microseconds, from the first hit."""
    return (yield from hit_until(key, window=window, now=now))[0]


def hit_until(key: str, *, window: int, now: int) -> Batch[tuple[int, int]]:
    """Count one and return how often it was in the present window, and when that ends: microseconds UTC."""
    rows = yield Statement(
        "INSERT INTO grant_rate (key, hits, expires) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET"
        " hits = CASE WHEN grant_rate.expires <= ? THEN 1 ELSE grant_rate.hits + 1 END,"
        " expires = CASE WHEN grant_rate.expires <= ? THEN excluded.expires ELSE grant_rate.expires END"
        " RETURNING hits, expires",
        (key, now + window, now, now),
    )
    return cast("int", rows[0]["hits"]), cast("int", rows[0]["expires"])


def sweep(now: int) -> Statement:
    """Return the statement that forgets windows that are over."""
    return expired("grant_rate", "key", now)
