"""Who the client says it is (RFC 6749 2.3): HTTP Basic, parameters in the body, or a bare client_id."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import unquote

from ostiary.proto.oauth2.errors import INVALID_CLIENT, INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import Parameters

Method = Literal["client_secret_basic", "client_secret_post", "none"]

_LONGEST: Final = 8192  # characters of the header


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """What was sent; nothing is proved yet."""

    client_id: str
    secret: str | None = field(repr=False)
    method: Method


def parse_client(authorization: str | None, parameters: Parameters) -> ClientClaim:
    """Return the client's claim. Raises OAuthError: invalid_client without one, invalid_request with two (2.3)."""
    client_id = parameters.get("client_id")
    secret = parameters.get("client_secret")
    if authorization is not None and authorization[:6].lower() == "basic ":
        name, password = _parse_basic(authorization[6:].strip())
        if secret is not None:
            raise OAuthError(INVALID_REQUEST, "two ways of client authentication")
        if client_id is not None and client_id != name:
            raise OAuthError(INVALID_REQUEST, "client_id differs from the Authorization header")
        return ClientClaim(name, password, "client_secret_basic")
    if client_id is None:
        raise OAuthError(INVALID_CLIENT, "no client_id was sent")
    if secret is not None:
        return ClientClaim(client_id, secret, "client_secret_post")
    return ClientClaim(client_id, None, "none")


def _parse_basic(encoded: str) -> tuple[str, str]:
    """Return name and password, percent-decoded (2.3.1). "+" is kept, as authentik does: many clients never encode."""
    if len(encoded) > _LONGEST:
        raise OAuthError(INVALID_CLIENT, "the Authorization header is too long")
    try:
        text = base64.b64decode(encoded, validate=True).decode()
        name, colon, password = text.partition(":")
        name, password = unquote(name, errors="strict"), unquote(password, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise OAuthError(INVALID_CLIENT, "malformed Basic credentials") from error
    if not colon or not name:
        raise OAuthError(INVALID_CLIENT, "malformed Basic credentials")
    return name, password
