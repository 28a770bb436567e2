"""The log line for an administrator's expression that cannot be evaluated.

It is written at each use, so that the reason of a refusal can be found, but once a minute per expression, because
unauthenticated requests decide how often it is used.
"""

from __future__ import annotations

import logging
from typing import Final

from ostiary.resource.bounded_cache import BoundedCache

_LOGGER: Final = logging.getLogger("ostiary.evaluation")
_MINUTE: Final = 60_000_000  # microseconds
_MOST_LOGGED: Final = 1024
_logged_minutes: Final[BoundedCache[tuple[str, str, str], int]] = BoundedCache(
    _MOST_LOGGED
)  # the minute of the last line


def log_not_evaluated(what: str, *, reason: str, consequence: str, now: int) -> bool:
    """Write `WHAT cannot be evaluated: REASON; CONSEQUENCE`. `now` is in microseconds UTC.

    `what` names the object and its primary key, never a value that a person sent. Tells whether it is the first line of
    this minute.
    """
    key, minute = (what, reason, consequence), now // _MINUTE
    if _logged_minutes.get(key) == minute:
        return False
    _logged_minutes.keep(key, minute)
    _LOGGER.warning("%s cannot be evaluated: %s; %s", what, reason, consequence)
    return True
