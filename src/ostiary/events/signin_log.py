"""The log line of a failed sign-in. Its form is stable, for fail2ban and other filters."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote

_LOGGER: Final = logging.getLogger("ostiary.signin")
_USER_LIMIT: Final = 150  # characters


def log_failed_sign_in(*, user: str | None, address: str, reason: str) -> None:
    """Write `sign-in failed user=... address=... reason=...`.

    `user` is the name of an existing user, percent-encoded except letters, digits and "@.+_-", so that it can forge
    neither a line nor a field. None, for an unknown name, is written as nothing, because people type passwords there.
    `reason` is one of our words, such as "password", "throttled" or "unknown_user".
    """
    # guard: A68 a typed name cannot forge a log line
    name = quote((user or "")[:_USER_LIMIT].encode("utf-8", "replace"), safe="@.+_-")
    _LOGGER.warning(
        "sign-in failed user=%s address=%s reason=%s", name, quote(address, safe=":."), quote(reason, safe="_-")
    )
