"""What is looked at each second: whether the event loop is late, and whether somebody set the machine's clock."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

LOOK_EVERY: Final = 1.0  # seconds between two looks
JUMP: Final = 5.0  # seconds between two looks that the clock may gain or lose: less is a correction
_LAG_KEPT: Final = 60  # looks: a scrape in every minute misses nothing

log: Final = logging.getLogger("ostiary.app")


class LoopLag:
    """How late the event loop does what is due: the longest delay of the last minute, in seconds."""

    def __init__(self, also: Callable[[], None] | None = None) -> None:
        """`also` is called at each look."""
        self._delays: deque[float] = deque(maxlen=_LAG_KEPT)
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._also = also

    def start(self) -> None:
        """Look each second from now on. In the event loop that is measured."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + LOOK_EVERY
        self._timer = loop.call_at(self._due, self._look, loop)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def longest(self) -> float:
        """Return the longest delay, in seconds."""
        return max(self._delays, default=0.0)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._delays.append(max(0.0, loop.time() - self._due))
        if self._also is not None:
            self._also()
        self.start()


class ClockJumps:
    """How often the clock of the machine was set, seen against the one that only counts seconds.

    Sign-ins, tokens and tasks are valid until a time of day. A clock that is set forward ends them early, one that is
    set back keeps them longer.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        """Both clocks are in seconds."""
        self.forward = self.back = 0
        self._clock, self._steady = clock, steady
        self._ahead = clock() - steady()

    def look(self) -> None:
        """Compare both clocks; log and count a jump."""
        ahead = self._clock() - self._steady()
        jump, self._ahead = ahead - self._ahead, ahead
        if jump > JUMP:
            self.forward += 1
            log.warning(
                "the clock was set forward by %.0f s (or the machine slept): sessions, codes and tokens end early", jump
            )
        elif jump < -JUMP:
            self.back += 1
            log.warning("the clock was set back by %.0f s: sessions, codes and tokens are valid longer", -jump)
