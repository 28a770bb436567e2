"""What a database does, counted by its back end: for the page of metrics, which reads it at each scrape."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, Protocol, cast

from ostiary.store.database import Database, Reason, Unavailable

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of histograms of durations, in seconds."""


class Durations:
    """How long something took: how many fell into each bucket, and all of them together in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BUCKETS) + 1)  # the last: longer than every bound
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Calls:
    """Calls of one kind: how many wait for the database now, and how long those took that it answered."""

    __slots__ = ("durations", "waiting")

    def __init__(self) -> None:
        self.waiting = 0
        self.durations = Durations()


class Activity:
    """What one database did since it was opened.

    `reads` leave out what SQLite answers at once, on the event loop: nobody waits for it. `errors` are calls that
    failed because the database was unavailable, by reason; `lost` are connections that were lost. `pool` returns how
    many connections are open, by what they do.
    """

    __slots__ = ("errors", "lost", "pool", "reads", "writes")

    def __init__(self, pool: Callable[[], Mapping[str, int]] = dict) -> None:
        self.reads, self.writes = Calls(), Calls()
        self.errors: Counter[str] = Counter(dict.fromkeys(Reason, 0))  # all, so that the first one is seen to be new
        self.lost = 0
        self.pool = pool

    def reading(self) -> Call:
        """Return a context in which a read waits for the database."""
        return Call(self, self.reads)

    def writing(self) -> Call:
        """Return a context in which a write waits for the database."""
        return Call(self, self.writes)

    def failed(self, error: BaseException) -> None:
        """Count an error, if it means that the database is unavailable."""
        if isinstance(error, Unavailable):
            self.errors[error.reason] += 1


class Call:
    """One call that waits for the database."""

    __slots__ = ("_activity", "_calls", "_started")

    def __init__(self, activity: Activity, calls: Calls) -> None:
        self._activity, self._calls = activity, calls

    def __enter__(self) -> None:
        self._calls.waiting += 1
        self._started = time.perf_counter()

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._calls.waiting -= 1
        if isinstance(error, Unavailable):
            self._activity.failed(error)
        else:
            self._calls.durations.add(time.perf_counter() - self._started)


class _Observed(Protocol):
    activity: Activity


def activity_of(database: Database) -> Activity:
    """Return what a database counts. Every back end does; doubles of tests need not."""
    return cast("_Observed", database).activity
