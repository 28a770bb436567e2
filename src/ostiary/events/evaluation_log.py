"""The log line for an administrator's expression that cannot be evaluated.

Every use writes it, so that the reason of a refusal can be found. It is limited to one line a minute per expression,
because unauthenticated requests can trigger any number of uses.
"""

from __future__ import annotations

import logging
from typing import Final

from ostiary.resource.bounded_cache import BoundedCache

_LOGGER: Final = logging.getLogger("ostiary.evaluation")
_MINUTE: Final = 60_000_000  # microseconds
_MAX_LOGGED: Final = 1024
_logged_minutes: Final[BoundedCache[tuple[str, str], int]] = BoundedCache(_MAX_LOGGED)  # minute of the last line


def first_this_minute(subject: str, what: str, *, now: int) -> bool:
    """Return whether this is the first time in this minute. `now` is in microseconds UTC."""
    key, minute = (subject, what), now // _MINUTE
    if _logged_minutes.get(key) == minute:
        return False
    _logged_minutes.keep(key, minute)
    return True


def log_not_evaluated(subject: str, *, reason: str, consequence: str, now: int) -> bool:
    """Write `SUBJECT cannot be evaluated: REASON; CONSEQUENCE`. `now` is in microseconds UTC.

    `subject` is the name and primary key of an object, never a value from a request. Returns False if the line was
    already written in this minute.
    """
    # guard: A81 the log has one line a minute of an expression, whatever its reasons are
    if not first_this_minute(subject, consequence, now=now):
        return False
    _LOGGER.warning("%s cannot be evaluated: %s; %s", subject, reason, consequence)
    return True
