"""Access tokens in requests: bearer tokens (RFC 6750) and DPoP-bound tokens (RFC 9449 7)."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final, Literal

from ostiary.proto.oauth2.clients.dpop import ALGORITHMS
from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.record import dataclass

Scheme = Literal["bearer", "dpop"]

_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_MAX_LENGTH: Final = 32_768  # characters


@dataclass(frozen=True, slots=True)
class SentToken:
    """The access token of a request and its authentication scheme."""

    token: str = field(repr=False)
    scheme: Scheme


def parse_token(authorization: str | None, parameters: Parameters) -> SentToken | None:
    """Return the token of the Authorization header (2.1; RFC 9449 7.1) or of access_token (2.2); None without one.

    Raises OAuthError (invalid_request) when it is malformed or was sent twice (3.1).
    """
    parameter = parameters.get("access_token")
    scheme, _, credentials = (authorization or "").partition(" ")
    sent = None if parameter is None else SentToken(parameter, "bearer")
    if scheme.lower() in {"bearer", "dpop"}:
        if sent is not None:
            raise OAuthError(INVALID_REQUEST, "the access token was sent twice")
        sent = SentToken(credentials.strip(), "dpop" if scheme.lower() == "dpop" else "bearer")
    if sent is not None and (len(sent.token) > _MAX_LENGTH or _TOKEN.fullmatch(sent.token) is None):
        raise OAuthError(INVALID_REQUEST, "malformed access token")
    return sent


def parse_bearer(authorization: str | None, parameters: Parameters) -> str | None:
    """Return the bearer token, or None. Raises OAuthError (invalid_request)."""
    sent = parse_token(authorization, parameters)
    return None if sent is None or sent.scheme != "bearer" else sent.token


def challenge(error: OAuthError | None, *, realm: str, scheme: Scheme = "bearer") -> str:
    """Return the value of WWW-Authenticate (3). A request without a token gets no error code (3.1)."""
    name, attributes = ("Bearer", "") if scheme == "bearer" else ("DPoP", f', algs="{" ".join(ALGORITHMS)}"')
    if error is None:
        return f'{name} realm="{realm}"{attributes}'
    return f'{name} realm="{realm}", error="{error.code}", error_description="{error.description}"{attributes}'
