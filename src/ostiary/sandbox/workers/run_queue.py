"""The queue of runs: some at once, a limited number that waits for a limited time."""

from __future__ import annotations

import asyncio
import time
from collections import deque


class RunQueue:
    """A semaphore for `most` runs at once. First come, first served."""

    __slots__ = ("_free", "_queue", "waited")

    def __init__(self, most: int) -> None:
        self._free = most
        self._queue: deque[asyncio.Future[bool]] = deque()
        self.waited = 0.0
        """Seconds that all waits took together."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def take(self, seconds: float) -> bool:
        """Wait for a free slot, which the caller must release with `end`. Return False after a timeout."""
        if self._free:
            self._free -= 1
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        self._queue.append(waiter)
        timer = loop.call_later(seconds, self._late, waiter)
        began = time.perf_counter()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif not waiter.cancelled() and waiter.result():
                self.end()  # it came together with the cancellation
            raise
        finally:
            timer.cancel()
            self.waited += time.perf_counter() - began

    def end(self) -> None:
        """Release a slot. The longest waiting run gets it."""
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return
        self._free += 1

    def _late(self, waiter: asyncio.Future[bool]) -> None:
        if waiter in self._queue:
            self._queue.remove(waiter)
            if not waiter.done():
                waiter.set_result(False)
