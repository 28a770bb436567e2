"""Where slow signatures are made: at once, or in a thread beside the event loop.

A signature with RSA takes about as long as everything else of a token request. A thread makes it on another core, but
handing it over and back costs a third of it again. So it is made at once while nobody is kept waiting, that is while
signatures are rare, and on a machine with one core.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

RARE: Final = 0.005  # seconds between two signatures; when they follow faster, somebody waits


class SigningExecutor:
    """Makes signatures for one event loop."""

    def __init__(self, cores: int) -> None:
        self._alone = cores <= 1
        self._last = 0.0  # when a signature was made at once

    async def make(self, sign: Callable[[], T]) -> T:
        """Return what `sign` makes."""
        loop = asyncio.get_running_loop()
        if not self._alone and loop.time() - self._last < RARE:
            self._last = loop.time()
            return await asyncio.to_thread(sign)
        made = sign()
        self._last = loop.time()
        return made


@functools.cache
def desk() -> SigningExecutor:
    """Return the desk of this process: it knows the cores the process may use."""
    return SigningExecutor(len(os.sched_getaffinity(0)))
