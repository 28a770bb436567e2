"""Rate counters: the number of hits of a key per time window. Each hit is one statement."""

from __future__ import annotations

from typing import Final, cast

from ostiary.store.database import Batch, Statement
from ostiary.store.sweeping import expired

SKEW: Final = 60_000_000  # microseconds between the clocks of several servers
# A window that would outlast a new one was started by a wrong clock.
_OVER: Final = f"(grant_rate.expires <= ? OR grant_rate.expires > excluded.expires + {SKEW})"


def hit(key: str, *, window: int, now: int) -> Batch[int]:
    """Count a hit. Returns the hits in the current window, which lasts `window` microseconds from its first hit."""
    return (yield from hit_until(key, window=window, now=now))[0]


def hit_until(key: str, *, window: int, now: int) -> Batch[tuple[int, int]]:
    """Count a hit. Returns the hits in the current window, and its end in microseconds UTC."""
    rows = yield Statement(
        "INSERT INTO grant_rate (key, hits, expires) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET"
        f" hits = CASE WHEN {_OVER} THEN 1 ELSE grant_rate.hits + 1 END,"
        f" expires = CASE WHEN {_OVER} THEN excluded.expires ELSE grant_rate.expires END"
        " RETURNING hits, expires",
        (key, now + window, now, now),
    )
    return cast("int", rows[0]["hits"]), cast("int", rows[0]["expires"])


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired windows."""
    return expired("grant_rate", "key", now)
