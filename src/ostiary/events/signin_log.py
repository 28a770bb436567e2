"""The log lines and counters of sign-ins."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.events.session_events import login_event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ostiary.sessions.session import Session
    from ostiary.store.database import Statement

_LOGGER: Final = logging.getLogger("ostiary.signin")
_USER_LIMIT: Final = 150  # characters


class SignInLog:
    """The sign-ins of one process."""

    def __init__(self) -> None:
        self.failures: Final[Counter[str]] = Counter()
        """Failed sign-ins since the start, by reason."""
        self.successes: Final[Counter[str]] = Counter()
        """Sign-ins since the start, by method."""

    def failed(self, *, user: str | None, address: str, reason: str) -> None:
        """Count a failure and write `sign-in failed user=... address=... reason=...`.

        The format is stable, for fail2ban and other filters. `user` is the name of an existing user; all characters but
        letters, digits and "@.+_-" are percent-encoded, so that it can forge neither a line nor a field. An unknown
        name (None) is not written, because people type passwords into that field. `reason` is a constant such as
        "password", "throttled" or "unknown_user".
        """
        self.failures[reason] += 1
        # guard: A68 a user name cannot forge a log line
        name = quote((user or "")[:_USER_LIMIT].encode("utf-8", "replace"), safe="@.+_-")
        _LOGGER.warning(
            "sign-in failed user=%s address=%s reason=%s", name, quote(address, safe=":."), quote(reason, safe="_-")
        )

    def succeeded(self, session: Session, now: int) -> Iterable[Statement]:
        """Count a sign-in and return its event. `now` is in microseconds UTC."""
        self.successes[session.auth_method] += 1
        return login_event(session, now)
