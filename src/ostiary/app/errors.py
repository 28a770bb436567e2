"""Errors of the rooms as answers: the one table of what other errors than `HttpError` mean to a client."""

from __future__ import annotations

from typing import Final

from ostiary.directory.errors import Busy, DirectoryError, Throttled
from ostiary.proto.jose import JoseError
from ostiary.resource import InvalidResource
from ostiary.sessions.session import SessionGone
from ostiary.store.database import Conflict, Unavailable
from ostiary.web.errors import HttpError

RETRY_SECONDS: Final = 5

# error, status, code, message; the first that fits counts. Without a message the error speaks for itself.
_MEANINGS: Final[tuple[tuple[type[Exception], int, str, str | None], ...]] = (
    (Unavailable, 503, "unavailable", ""),
    (Busy, 503, "busy", ""),
    (Throttled, 429, "throttled", ""),
    (SessionGone, 409, "session_moved", "Your session moved on meanwhile. Please start again."),
    (Conflict, 409, "conflict", "Somebody else was first. Please try again."),
    (InvalidResource, 400, "invalid", None),
    (DirectoryError, 400, "invalid", None),
    (JoseError, 400, "invalid_token", "This token is not valid."),
)


def translate(error: Exception) -> HttpError | None:
    """Return the answer for a room's error; None for one that nobody expected (500)."""
    for kind, status, code, message in _MEANINGS:
        if isinstance(error, kind):
            text = str(error) if message is None else message
            return HttpError(status, code, text, headers=_retry(error, status))
    return None


def _retry(error: Exception, status: int) -> tuple[tuple[str, str], ...]:
    if isinstance(error, Throttled):
        return (("retry-after", str(error.retry_after)),)
    return (("retry-after", str(RETRY_SECONDS)),) if status == 503 else ()  # noqa: PLR2004 - Service Unavailable
