"""Signed authorization requests (RFC 9101; OpenID Connect Core 6): the claims of a request object as parameters.

The algorithm "none" is refused. An encrypted object must be decrypted before.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ostiary.proto.jose import VerifyingKey
from ostiary.proto.oauth2.authorization.request import MAY_REPEAT
from ostiary.proto.oauth2.clients.statement import BadStatement, SignedStatement, read_statement
from ostiary.proto.oauth2.errors import INVALID_REQUEST_OBJECT, OAuthError
from ostiary.proto.oauth2.parameters import Parameters, is_storable, read_parameters
from ostiary.record import dataclass

MAX_LENGTH: Final = 32_768  # characters
LEEWAY: Final = 60  # seconds that two clocks may differ

_TYPES: Final = frozenset({"jwt", "oauth-authz-req+jwt", "application/oauth-authz-req+jwt"})
_OF_THE_JWT: Final = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
_FORBIDDEN: Final = ("request", "request_uri", "client_secret", "client_assertion", "client_assertion_type")
_MAX_ITEMS: Final = 64  # members


@dataclass(frozen=True, slots=True)
class RequestObject:
    """The parameters of a request object. A request must begin before `expires`, microseconds UTC; None: no limit."""

    parameters: Parameters
    expires: int | None


def read_object(
    token: str, keys: Iterable[VerifyingKey], *, client_id: str, audiences: Collection[str], now: int
) -> RequestObject:
    """Verify a request object with the client's keys. `now` is microseconds UTC. The caller checks `exp`.

    Raises OAuthError (invalid_request_object). client_id is required and must be equal (RFC 9101 5). iss must be
    the client and aud one of `audiences`, if present (4).
    """
    try:
        statement = read_statement(token, keys, longest=MAX_LENGTH)
        _check(statement, client_id=client_id, audiences=audiences)
        expires = _times(statement, now)
        parameters = read_parameters(_pairs(statement.claims))
    except BadStatement as error:
        raise OAuthError(INVALID_REQUEST_OBJECT, str(error)) from error
    return RequestObject(parameters, expires)


def _times(statement: SignedStatement, now: int) -> int | None:
    """Return the expiry, microseconds UTC; None without one."""
    expires, not_before = statement.seconds("exp"), statement.seconds("nbf")
    if not_before is not None and not_before - LEEWAY > now / 1_000_000:
        raise BadStatement("not valid yet")
    return None if expires is None else int((expires + LEEWAY) * 1_000_000)


def _check(statement: SignedStatement, *, client_id: str, audiences: Collection[str]) -> None:
    claims = statement.claims
    if str(statement.header.get("typ", "JWT")).lower() not in _TYPES:
        raise BadStatement("typ of another kind of token")
    if len(claims) > _MAX_ITEMS:
        raise BadStatement("too many claims")
    if claims.get("client_id") != client_id:
        raise BadStatement("client_id differs")
    if claims.get("iss", client_id) != client_id:
        raise BadStatement("iss is not the client")
    if "sub" in claims:  # RFC 9101 10.8: an assertion that authenticates the client is not a request
        raise BadStatement("it has a sub")
    if "aud" in claims:
        statement.require_audience(audiences)
    if any(name in claims for name in _FORBIDDEN):  # RFC 9101 4
        raise BadStatement("it holds what no request object may")


def _pairs(claims: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    for name, value in claims.items():
        if name in _OF_THE_JWT or value is None:
            continue
        for one in value if name in MAY_REPEAT and isinstance(value, list) else [value]:
            yield name, _text(name, one)


def _text(name: str, value: object) -> str:
    """Return a claim as a query parameter: numbers as digits, `claims` (Core 6.1) as JSON."""
    if isinstance(value, dict) and name == "claims":
        value = json.dumps(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # what has more digits than Python writes was not read either
    if not isinstance(value, str) or not is_storable(name + value):
        raise BadStatement("a parameter of another type than text and number")
    return value
