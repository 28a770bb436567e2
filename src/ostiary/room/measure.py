"""What a room counts or knows, for the page of metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from ostiary.record import dataclass
from ostiary.store.activity import Durations

Samples = Mapping[tuple[str, ...], float | Durations]
"""One number, or one histogram, for each combination of label values; of a measure without labels the key is ()."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Numbers of one name, read at each scrape.

    A "counter" counts since the start of the process (the page appends "_total" to its name), a "gauge" is a state, a
    "histogram" shows durations. `read` is a coroutine function where it has to wait, no longer than for a small query,
    else a plain one. Values of labels must be few: words of ours, never of a request. `summary` is one sentence;
    docs/metrics.md shows it.
    """

    name: str
    summary: str
    read: Callable[[], Samples | Awaitable[Samples]]
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge", "histogram"] = "gauge"


def by_one_label(counts: Mapping[str, float]) -> Samples:
    """Return counts whose keys are the values of the only label."""
    return {(value,): count for value, count in counts.items()}
