"""What a room counts or knows, for the page of metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

from ostiary.record import dataclass

Samples = Mapping[tuple[str, ...], float]
"""One number for each combination of label values; of a measure without labels the key is ()."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Numbers of one name, read at each scrape.

    A "counter" counts since the start of the process (the page appends "_total" to its name), a "gauge" is a state.
    `read` must take no longer than a small query. Values of labels must be few: words of ours, never of a request.
    """

    name: str
    summary: str
    read: Callable[[], Samples | Awaitable[Samples]]
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge"] = "gauge"


def by_one_label(counts: Mapping[str, float]) -> Samples:
    """Return counts whose keys are the values of the only label."""
    return {(value,): count for value, count in counts.items()}
