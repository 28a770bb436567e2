"""How many sessions without a person one address may begin: each is a row that stays for a day.

A bucket for each address, in memory, of the addresses seen last. It is wide: a whole office may stand behind one
address, and nobody who keeps cookies comes here twice. Requests of this machine itself are not counted: they are the
operator's programs, or a proxy that does not say for whom it asks.
"""

from __future__ import annotations

from typing import Final

from ostiary.web.addresses import address_keys, is_this_machine
from ostiary.web.errors import TooManyRequests

BURST: Final = 3_000
"""Sessions an address may begin at once."""
EVERY: Final = 333_000
"""Microseconds after which it may begin one more: about 260,000 in a day."""
MOST_ADDRESSES: Final = 16_384

_SECOND: Final = 1_000_000


class AnonymousThrottle:
    """The buckets of one process. A bucket is the time at which it will be empty again (GCRA)."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}

    def admit(self, address: str, now: int) -> None:
        """Count a session that is about to begin, at `now` microseconds UTC. Raises TooManyRequests."""
        if is_this_machine(address):
            return
        keys = address_keys(address)
        overs = [self._over(key, now, wider=2**wide) for wide, key in enumerate(keys)]
        # guard: A69 an address begins so many sessions
        if max(overs) > 0:
            wait = -(-max(overs) // _SECOND)
            raise TooManyRequests(retry_after=wait, message="Too many visits began at this address.")
        for wide, key in enumerate(keys):
            self._due[key] = max(self._due[key], now) + EVERY // 2**wide

    def _over(self, key: str, now: int, *, wider: int) -> int:
        """Return how long a bucket is too full for another one; a wider network's is as many times wider."""
        every = EVERY // wider
        longest = (BURST * wider + 1) * every
        pending = min(self._due.pop(key, 0), now + longest)  # no clock that was wrong makes anybody wait longer
        self._due[key] = pending  # written anew: the end of the dict was seen last
        # guard: A68 the addresses remembered are bounded
        if len(self._due) > MOST_ADDRESSES:
            del self._due[next(iter(self._due))]
        return max(pending, now) - now - (BURST * wider - 1) * every
