"""The spans that wait for the collector: a bounded queue. Whoever records never waits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from ostiary.proto.otlp import ExportedSpan

BATCH: Final = 512  # spans of one request to the collector


class SpanQueue:
    """Spans in the order of their ends, and what became of all of them."""

    def __init__(self, most: int) -> None:
        self._waiting: deque[ExportedSpan] = deque()
        self._most = most
        self.full_batch: Final = asyncio.Event()
        """Set while a request to the collector would be full."""
        self.counts: Final[dict[str, int]] = {"exported": 0, "dropped": 0, "refused": 0}
        """Spans by result, since the start of the process."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, span: ExportedSpan) -> None:
        """Let a span wait, or drop it where too many do."""
        # guard: A68 a collector that is away costs a bounded amount of memory
        if len(self._waiting) >= self._most:
            self.counts["dropped"] += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self.full_batch.set()

    def batch(self) -> Sequence[ExportedSpan]:
        """Return the next ones for the collector. They stay, until `settle`."""
        return tuple(islice(self._waiting, BATCH))

    def settle(self, count: int, result: str) -> None:
        """Remove the first ones: exported, refused by the collector, or dropped."""
        for _ in range(count):
            self._waiting.popleft()
        self.counts[result] += count
        if len(self._waiting) < BATCH:
            self.full_batch.clear()
