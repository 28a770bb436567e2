"""The device authorization request and response (RFC 8628 3.1, 3.2, 6.1)."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final
from urllib.parse import quote

from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.scope import parse_scope
from ostiary.record import dataclass

MIN_CODE: Final = 100_000_000
MAX_CODE: Final = 999_999_999  # nine digits: easy to type on any keyboard, and as in authentik

_CODE: Final = re.compile(r"[1-9][0-9]{8}")
_SPACES: Final = re.compile(r"[\s\-.]+")
_MAX_LENGTH: Final = 64  # characters of a typed code


@dataclass(frozen=True, slots=True)
class DeviceAuthorizationResponse:
    """The device authorization response. Times in seconds; `page` is verification_uri."""

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
    """Return the requested scopes (3.1). Raises OAuthError (invalid_request, invalid_scope)."""
    return parse_scope(parameters.get("scope") or "")


def read_user_code(typed: object) -> str | None:
    """Return the typed user code without separators (6.1); None when it is malformed."""
    text = str(typed) if isinstance(typed, int) and not isinstance(typed, bool) else typed
    if not isinstance(text, str) or len(text) > _MAX_LENGTH:
        return None
    code = _SPACES.sub("", text)
    return code if _CODE.fullmatch(code) is not None else None
