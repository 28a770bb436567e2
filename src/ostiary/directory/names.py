"""The validation of usernames and e-mail addresses, wherever they are set."""

from __future__ import annotations

import re
from typing import Final

from ostiary.directory.errors import BadName

EMAIL: Final = r"|[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+"
EMAIL_EXPECTED: Final = "an e-mail address, or nothing"
MAX_NAME_LENGTH: Final = 150  # characters
MAX_EMAIL_LENGTH: Final = 254  # characters
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def name_fault(username: str) -> str | None:
    """Return the problem of a username, or None. It must not begin or end with white space, which sign-in strips."""
    if not username or len(username) > MAX_NAME_LENGTH:
        return f"expected 1 to {MAX_NAME_LENGTH} characters"
    if username != username.strip():
        return "expected no white space at its ends: nobody could sign in with it"
    if _CONTROLS.search(username):
        return "expected no control characters"
    return None


def require_user_names(username: str, email: str) -> None:
    """Require a valid username and e-mail address. Raises BadName."""
    fault = name_fault(username)
    if fault is not None:
        raise BadName("username", username, fault)
    require_email(email)


def require_email(email: str) -> None:
    """Require a valid e-mail address. Raises BadName."""
    if len(email) > MAX_EMAIL_LENGTH or re.fullmatch(EMAIL, email) is None:
        raise BadName("e-mail address", email, f"expected {EMAIL_EXPECTED}")
