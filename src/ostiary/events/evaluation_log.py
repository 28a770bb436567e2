"""The one log line for something an administrator wrote that could not be evaluated when it was needed.

At each use, so that whoever looks for the reason of a refusal finds it; but of one place once a minute, because
strangers decide how often it is used.
"""

from __future__ import annotations

import functools
import logging
from typing import Final

_LOGGER: Final = logging.getLogger("ostiary.evaluation")
_MINUTE: Final = 60_000_000  # microseconds
_PLACES: Final = 1024


def log_not_evaluated(what: str, *, reason: str, consequence: str, now: int) -> None:
    """Write `WHAT cannot be evaluated: REASON; CONSEQUENCE`. `now` is in microseconds UTC.

    `what` names the object and its primary key, never a value that a person sent.
    """
    _once(what, reason, consequence, now // _MINUTE)


@functools.lru_cache(maxsize=_PLACES)
def _once(what: str, reason: str, consequence: str, minute: int) -> None:
    del minute  # part of the key: the line is written again in the next one
    _LOGGER.warning("%s cannot be evaluated: %s; %s", what, reason, consequence)
