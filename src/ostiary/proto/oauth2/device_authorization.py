"""The device authorization request and its answer (RFC 8628 3.1, 3.2, 6.1)."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final
from urllib.parse import quote

from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.scope import parse_scope
from ostiary.record import dataclass

FIRST_CODE: Final = 100_000_000
LAST_CODE: Final = 999_999_999  # nine digits: people type them on any keyboard, and authentik's clients expect them

_CODE: Final = re.compile(r"[1-9][0-9]{8}")
_SPACES: Final = re.compile(r"[\s\-.]+")
_LONGEST: Final = 64  # characters of what somebody typed


@dataclass(frozen=True, slots=True)
class DeviceAnswer:
    """What a device gets: one code for itself, one for the person. Times in seconds."""

    device_code: str = field(repr=False)
    user_code: str = field(repr=False)
    page: str
    expires_in: int
    interval: int

    def body(self) -> dict[str, object]:
        """Return the JSON members (3.2)."""
        return {
            "device_code": self.device_code,
            "user_code": self.user_code,
            "verification_uri": self.page,
            "verification_uri_complete": f"{self.page}?code={quote(self.user_code)}",
            "expires_in": self.expires_in,
            "interval": self.interval,
        }


def parse_device_request(parameters: Parameters) -> tuple[str, ...]:
    """Return the scopes asked for (3.1). Raises OAuthError (invalid_request, invalid_scope)."""
    return parse_scope(parameters.get("scope") or "")


def read_user_code(typed: object) -> str | None:
    """Return the code that somebody typed, however they grouped it (6.1); None when it cannot be one."""
    text = str(typed) if isinstance(typed, int) and not isinstance(typed, bool) else typed
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    code = _SPACES.sub("", text)
    return code if _CODE.fullmatch(code) is not None else None
