"""The throttle of anonymous sessions by client address. Each such session is a row that is stored for a day.

There is one token bucket per address, in memory, for the most recently seen addresses. The limit is high: a whole
office may share an address, and a browser with cookies needs only one session. Requests from this machine are not
counted: they come from the operator's programs, or from a proxy that does not forward client addresses.
"""

from __future__ import annotations

from typing import Final

from ostiary.web.addresses import address_keys, is_this_machine
from ostiary.web.errors import TooManyRequests

BURST: Final = 3_000
"""How many sessions an address may start at once."""
EVERY: Final = 333_000
"""Microseconds until it may start another one: about 260,000 a day."""
MAX_ADDRESSES: Final = 16_384

_SECOND: Final = 1_000_000


class AnonymousThrottle:
    """The buckets of one process. A bucket is stored as the time at which it will be empty (GCRA)."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}

    def admit(self, address: str, now: int) -> None:
        """Count a new session at `now`, in microseconds UTC. Raises TooManyRequests."""
        if is_this_machine(address):
            return
        keys = address_keys(address)
        excesses = [self._excess(key, now, wider=2**wide) for wide, key in enumerate(keys)]
        # guard: A69 anonymous sessions are limited per address
        if max(excesses) > 0:
            wait = -(-max(excesses) // _SECOND)
            raise TooManyRequests(retry_after=wait, message="Too many new visits from this address.")
        for wide, key in enumerate(keys):
            self._due[key] = max(self._due[key], now) + EVERY // 2**wide

    def _excess(self, key: str, now: int, *, wider: int) -> int:
        """Return the wait of a bucket in microseconds; above zero, it is full. A wider network has a larger bucket."""
        every = EVERY // wider
        longest = (BURST * wider + 1) * every
        pending = min(self._due.pop(key, 0), now + longest)  # a clock that was set back must not prolong the wait
        self._due[key] = pending  # reinserted, so that the dict is ordered by last use
        # guard: A68 the number of tracked addresses is bounded
        if len(self._due) > MAX_ADDRESSES:
            del self._due[next(iter(self._due))]
        return max(pending, now) - now - (BURST * wider - 1) * every
