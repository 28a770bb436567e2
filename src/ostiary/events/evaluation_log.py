"""The one log line for something an administrator wrote that could not be evaluated when it was needed.

At each use, so that whoever looks for the reason of a refusal finds it; but of one place once a minute, because
strangers decide how often it is used.
"""

from __future__ import annotations

import logging
from typing import Final

from ostiary.resource.bounded_cache import BoundedCache

_LOGGER: Final = logging.getLogger("ostiary.evaluation")
_MINUTE: Final = 60_000_000  # microseconds
_PLACES: Final = 1024
_told: Final[BoundedCache[tuple[str, str, str], int]] = BoundedCache(_PLACES)  # the minute of the last line


def log_not_evaluated(what: str, *, reason: str, consequence: str, now: int) -> bool:
    """Write `WHAT cannot be evaluated: REASON; CONSEQUENCE`. `now` is in microseconds UTC.

    `what` names the object and its primary key, never a value that a person sent. Tells whether this is the first in
    this minute.
    """
    key, minute = (what, reason, consequence), now // _MINUTE
    if _told.get(key) == minute:
        return False
    _told.keep(key, minute)
    _LOGGER.warning("%s cannot be evaluated: %s; %s", what, reason, consequence)
    return True
