"""Long work beside requests: in slices on the event loop with pauses, or in a thread.

A unit of work on a thousand objects takes seconds, and would block the event loop for that time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 0.005  # seconds of one slice
PAUSE: Final = 0.005  # seconds between slices, for requests
THREAD_FROM: Final = 64  # number of objects above which work moves to a thread


class Pace:
    """The pace of one unit of work. `rest` is in seconds; 0 yields to the event loop once."""

    def __init__(self, rest: float = 0.0) -> None:
        self._rest = rest
        self._since = time.perf_counter()

    async def pause(self) -> None:
        """Pause when the slice is used up. Call it between two steps."""
        if time.perf_counter() - self._since > SLICE:
            await asyncio.sleep(self._rest)
            self._since = time.perf_counter()


async def in_thread(size: int, work: Callable[[], T]) -> T:
    """Run pure work on `size` objects: inline for few, in a thread for many."""
    return work() if size <= THREAD_FROM else await asyncio.to_thread(work)
