"""Errors of the rooms as HTTP errors: one table for all errors except `HttpError` itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ostiary.directory.errors import Busy, DirectoryError, NoMemory, Throttled
from ostiary.proto.jose import JoseError
from ostiary.resource import InvalidResource
from ostiary.sessions.session import SessionGone
from ostiary.store.database import Conflict, Reason, Unavailable
from ostiary.web.errors import HttpError

RETRY_SECONDS: Final = 5

# Why the database is unavailable, for everybody to read. The log has the driver's message.
UNAVAILABLE: Final[Mapping[Reason, str]] = {
    Reason.UNREACHABLE: "The database cannot be reached. Try again shortly.",
    Reason.REFUSED: "The database refuses to answer. Try again shortly.",
    Reason.TIMEOUT: "The database does not answer in time. Try again shortly.",
    Reason.LOCKED: "Another program has locked the database. Try again shortly.",
    Reason.FULL: "The disk of the database is full. An administrator must free some space.",
    Reason.READ_ONLY: "The database is read-only at the moment. Try again shortly.",
    Reason.DISK: "The disk of the database reports an error. An administrator must check it.",
    Reason.CONNECTIONS: "The database has no free connection. Try again shortly.",
    Reason.CONTENTION: "Too many people are changing the same thing. Try again shortly.",
}

# error, status, code, message; the first match counts. None means the error's own message.
_MEANINGS: Final[tuple[tuple[type[Exception], int, str, str | None], ...]] = (
    (NoMemory, 503, NoMemory.code, ""),
    (Busy, 503, Busy.code, ""),
    (Throttled, 429, "throttled", ""),
    (SessionGone, 409, "session_moved", "Your session has changed in another tab. Start again."),
    (Conflict, 409, "conflict", "Somebody else changed this first. Try again."),
    (InvalidResource, 400, "invalid", None),
    (DirectoryError, 400, "invalid", None),
    (JoseError, 400, "invalid_token", "This token is not valid."),
)


def translate(error: Exception) -> HttpError | None:
    """Return the HTTP error for a room's error, None for an unexpected one (500)."""
    if isinstance(error, Unavailable):
        return HttpError(503, error.reason, UNAVAILABLE[error.reason], headers=_retry(error, 503))
    for kind, status, code, message in _MEANINGS:
        if isinstance(error, kind):
            text = str(error) if message is None else message
            return HttpError(status, code, text, headers=_retry(error, status))
    return None


def _retry(error: Exception, status: int) -> tuple[tuple[str, str], ...]:
    if isinstance(error, Throttled):
        return (("retry-after", str(error.retry_after)),)
    return (("retry-after", str(RETRY_SECONDS)),) if status == 503 else ()  # noqa: PLR2004 - Service Unavailable
