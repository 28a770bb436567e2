"""Primary keys that sort by creation time, so that "the oldest of several" is always the same object."""

from __future__ import annotations

import secrets
import time
import uuid

from ostiary.record import dataclass
from ostiary.resource import Pk

_STEP_NS = 250  # 12 bits of a millisecond


@dataclass(slots=True)
class OrderedKeys:
    """Generates UUIDs of version 7 (RFC 9562, section 5.7; method 3 of section 6.2), each later than the last."""

    _last: int = 0

    def new(self) -> str:
        """Return the next key."""
        now = time.time_ns()
        ticks = (now // 1_000_000 << 12) | (now % 1_000_000 // _STEP_NS)
        self._last = max(ticks, self._last + 1)
        millis, fraction = self._last >> 12, self._last & 0xFFF
        number = millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=number))


def age(pk: Pk) -> tuple[int, int]:
    """Return the sort key that orders primary keys from the oldest to the newest.

    Keys of other versions, from earlier releases and files, precede those of version 7. Their own order has no
    meaning, but it is stable.
    """
    if isinstance(pk, int):
        return 0, pk
    number = uuid.UUID(pk)
    return (1 if number.version == 7 else 0), number.int  # noqa: PLR2004 - the version
