"""The one log line for each failed sign-in. Its form is stable: fail2ban and people's filters read it."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import quote

_LOGGER: Final = logging.getLogger("ostiary.signin")
_USER_LIMIT: Final = 150  # characters


def log_failed_sign_in(*, user: str | None, address: str, reason: str) -> None:
    """Write `sign-in failed user=... address=... reason=...`.

    `user` is the name of somebody who exists, percent-encoded but for letters, digits and "@.+_-", so that it can forge
    neither a second line nor another field; None, for a name nobody has, is written as nothing: people type passwords
    there. `reason` is a word of ours, such as "password", "throttled" or "unknown_user".
    """
    # guard: A68 a typed name cannot forge a log line
    name = quote((user or "")[:_USER_LIMIT].encode("utf-8", "replace"), safe="@.+_-")
    _LOGGER.warning(
        "sign-in failed user=%s address=%s reason=%s", name, quote(address, safe=":."), quote(reason, safe="_-")
    )
