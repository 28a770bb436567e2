"""Bearer tokens in requests (RFC 6750)."""

from __future__ import annotations

import re
from typing import Final

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import Parameters

_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_LONGEST: Final = 32_768  # characters


def parse_bearer(authorization: str | None, parameters: Parameters) -> str | None:
    """Return the token of the header (2.1) or of the parameter access_token (2.2), None without one.

    Raises OAuthError (invalid_request) when it is malformed or was sent twice (3.1).
    """
    sent = parameters.get("access_token")
    if authorization is not None and authorization[:7].lower() == "bearer ":
        if sent is not None:
            raise OAuthError(INVALID_REQUEST, "the access token was sent twice")
        sent = authorization[7:].strip()
    if sent is None:
        return None
    if len(sent) > _LONGEST or _TOKEN.fullmatch(sent) is None:
        raise OAuthError(INVALID_REQUEST, "malformed access token")
    return sent


def challenge(error: OAuthError | None, *, realm: str) -> str:
    """Return the value of WWW-Authenticate (3). Without an error nothing is told of the token (3.1)."""
    if error is None:
        return f'Bearer realm="{realm}"'
    return f'Bearer realm="{realm}", error="{error.code}", error_description="{error.description}"'
