"""Pushed authorization requests (RFC 9126): the allowed parameters, and the request URI."""

from __future__ import annotations

from typing import Final

from ostiary.proto.oauth2.errors import INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import Parameters

PREFIX: Final = "urn:ietf:params:oauth:request_uri:"  # RFC 9126 2.2
LIFETIME: Final = 90  # seconds of a request URI

_OF_THE_CLIENT: Final = frozenset({"client_secret", "client_assertion", "client_assertion_type", "request"})
_MAX_LENGTH: Final = 32_768  # characters of all parameters together


def handle_of(request_uri: str) -> str | None:
    """Return the secret handle of our request URI; None for another one."""
    return request_uri.removeprefix(PREFIX) if request_uri.startswith(PREFIX) else None


def pushed_pairs(parameters: Parameters) -> tuple[tuple[str, str], ...]:
    """Return the authorization request's parameters of a form (2.1). Raises OAuthError."""
    if parameters.get("request_uri") is not None:
        raise OAuthError(INVALID_REQUEST, "request_uri was pushed")
    pairs = tuple(
        (name, one)
        for name in parameters.values
        if name not in _OF_THE_CLIENT
        for one in (parameters.all(name) if name in parameters.repeated else (parameters.values[name],))
    )
    if sum(len(name) + len(one) for name, one in pairs) > _MAX_LENGTH:
        raise OAuthError(INVALID_REQUEST, "too long to be kept")
    return pairs
