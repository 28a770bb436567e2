"""Parser of client authentication (RFC 6749 2.3, RFC 7521 4.2): Basic, body parameters, assertion, or none."""

from __future__ import annotations

import binascii
from contextlib import suppress
from dataclasses import field
from typing import Final, Literal
from urllib.parse import unquote, unquote_plus

from ostiary.proto.oauth2.clients.assertion import JWT_BEARER
from ostiary.proto.oauth2.clients.statement import unverified_claim
from ostiary.proto.oauth2.errors import INVALID_CLIENT, INVALID_REQUEST, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.record import dataclass

Method = Literal["client_secret_basic", "client_secret_post", "assertion", "none"]

_MAX_LENGTH: Final = 8192  # characters of the header


@dataclass(frozen=True, slots=True)
class ClientClaim:
    """The credentials of a client, not verified."""

    client_id: str
    secret: str | None = field(repr=False)
    method: Method
    assertion: str | None = field(default=None, repr=False)
    names: tuple[str, ...] = ()  # every possible decoding of the id, the specification's first
    secrets: tuple[str, ...] = field(default=(), repr=False)  # every possible decoding of the secret


def parse_client(authorization: str | None, parameters: Parameters) -> ClientClaim:
    """Return the client's credentials. Raises OAuthError: invalid_client without, invalid_request with two (2.3)."""
    client_id = parameters.get("client_id")
    secret = parameters.get("client_secret")
    kind = parameters.get("client_assertion_type")
    assertion = parameters.get("client_assertion")
    basic = authorization is not None and authorization[:6].lower() == "basic "
    if (basic and (secret is not None or assertion is not None)) or (secret is not None and assertion is not None):
        raise OAuthError(INVALID_REQUEST, "two ways of client authentication")
    if basic and authorization is not None:
        names, secrets = _parse_basic(authorization[6:].strip())
        if client_id is not None and client_id not in names:
            raise OAuthError(INVALID_REQUEST, "client_id differs from the Authorization header")
        return ClientClaim(names[0], _preferred(secrets), "client_secret_basic", names=names, secrets=secrets)
    if kind is not None or assertion is not None:
        # authentik's clients may send the assertion as client_secret as well.
        return _parse_assertion(kind, assertion or secret, client_id)
    if client_id is None:
        raise OAuthError(INVALID_CLIENT, "no client_id was sent")
    if secret is not None:
        return ClientClaim(client_id, secret, "client_secret_post")
    return ClientClaim(client_id, None, "none")


def _parse_assertion(kind: str | None, assertion: str | None, client_id: str | None) -> ClientClaim:
    """Return the credentials of an assertion. Without client_id its subject is the client (RFC 7521 4.2)."""
    if kind != JWT_BEARER:
        raise OAuthError(INVALID_CLIENT, "unknown client_assertion_type")
    if assertion is None:
        raise OAuthError(INVALID_CLIENT, "client_assertion is missing")
    name = client_id or unverified_claim(assertion, "sub")
    if name is None:
        raise OAuthError(INVALID_CLIENT, "no client_id was sent, and the assertion names none")
    return ClientClaim(name, None, "assertion", assertion)


def _parse_basic(encoded: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the possible decodings of name and password.

    Section 2.3.1 requires form encoding, "+" for a space and "%41" for "A". Many clients do not encode.
    """
    if len(encoded) > _MAX_LENGTH:
        raise OAuthError(INVALID_CLIENT, "the Authorization header is too long")
    try:
        text = binascii.a2b_base64(encoded, strict_mode=True).decode()
    except (binascii.Error, ValueError) as error:
        raise OAuthError(INVALID_CLIENT, "malformed Basic credentials") from error
    name, colon, password = text.partition(":")
    if not colon or not name:
        raise OAuthError(INVALID_CLIENT, "malformed Basic credentials")
    return _decodings(name), _decodings(password)


def _preferred(decodings: tuple[str, ...]) -> str:
    """Return the decoding that is used alone. In it "+" is not a space, as base64 has that character."""
    return next((one for one in decodings if "+" in one and "%" not in one), decodings[0])


def _decodings(text: str) -> tuple[str, ...]:
    """Return a text decoded, decoded except for "+", which some encoders leave, and unchanged."""
    if "%" not in text and "+" not in text:
        return (text,)
    decodings = []
    for read in (unquote_plus, unquote):
        with suppress(UnicodeDecodeError):
            decodings.append(read(text, errors="strict"))
    return tuple(dict.fromkeys((*decodings, text)))
