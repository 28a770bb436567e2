"""Long work beside requests: in slices on the event loop, with pauses between them, or in a thread.

A unit of work over a thousand objects takes seconds. It asks for them one by one and would hold the loop all the while.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

SLICE: Final = 0.005  # seconds the loop is held at once
REST: Final = 0.005  # seconds others have in between, where there are others
MANY: Final = 64  # objects whose writing or reading is made up in a thread


class Pace:
    """The pace of one unit of work. `rest` is in seconds; 0 only lets others have their turn."""

    def __init__(self, rest: float = 0.0) -> None:
        self._rest = rest
        self._since = time.perf_counter()

    async def breathe(self) -> None:
        """Pause when the slice is over. To be called between two steps."""
        if time.perf_counter() - self._since > SLICE:
            await asyncio.sleep(self._rest)
            self._since = time.perf_counter()


async def aside(size: int, work: Callable[[], T]) -> T:
    """Return the result of pure work over a number of objects: at once for few, else from a thread."""
    return work() if size <= MANY else await asyncio.to_thread(work)
