"""The executor of slow signatures: at once, or in a thread beside the event loop.

An RSA signature takes about as long as the rest of a token request. A thread computes it on another core, but the
hand-over costs another third. So it is computed at once while signatures are rare, and on machines with one core.
"""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

RARE: Final = 0.005  # seconds between two signatures; faster ones go to the thread


class SigningExecutor:
    """Computes signatures for one event loop."""

    def __init__(self, cores: int) -> None:
        self._alone = cores <= 1
        self._last = 0.0  # when a signature was made at once

    async def make(self, sign: Callable[[], T]) -> T:
        """Return the result of `sign`."""
        loop = asyncio.get_running_loop()
        if not self._alone and loop.time() - self._last < RARE:
            self._last = loop.time()
            return await asyncio.to_thread(sign)
        signature = sign()
        self._last = loop.time()
        return signature


@functools.cache
def desk() -> SigningExecutor:
    """Return the executor of this process, with the number of its cores."""
    return SigningExecutor(len(os.sched_getaffinity(0)))
