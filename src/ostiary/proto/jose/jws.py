"""JWS in compact serialization (RFC 7515, sections 5 and 7.1): signing and verifying."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.proto.jose.base64url import base64url_decode, base64url_encode
from ostiary.proto.jose.errors import BadSignature, MalformedToken
from ostiary.proto.jose.keys import SigningKey, VerifyingKey
from ostiary.record import dataclass

MAX_TOKEN_LENGTH: Final = 65_536  # characters; our own tokens are far shorter
_SEGMENTS: Final = 3


@dataclass(frozen=True, slots=True)
class VerifiedJws:
    """A JWS with a valid signature. Its claims (exp, iss, aud...) are not validated."""

    header: Mapping[str, object]
    payload: bytes
    key: VerifyingKey


def sign(payload: bytes, key: SigningKey, *, typ: str = "JWT") -> str:
    """Return the compact JWS of a payload."""
    signing_input = f"{key.header(typ)}.{base64url_encode(payload)}"
    return f"{signing_input}.{base64url_encode(key.signature(signing_input.encode('ascii')))}"


def peek_header(token: str) -> Mapping[str, object]:
    """Return the unverified header of a token, only for choosing a key. Raises MalformedToken."""
    return read_header(_split(token)[0])


def verify(token: str, keys: Iterable[VerifyingKey]) -> VerifiedJws:
    """Verify a token with one of the keys. Raises MalformedToken, BadSignature.

    A key is tried only when the header names its algorithm and, if both have one, its kid. "none" and every "crit"
    extension are refused (RFC 7515, section 4.1.11; RFC 8725, section 3.2).
    """
    encoded_header, encoded_payload, encoded_signature = _split(token)
    header = read_header(encoded_header)
    # guard: A14 critical extensions are refused
    if "crit" in header:
        raise MalformedToken("no critical extension is supported")
    payload = base64url_decode(encoded_payload)
    signature = base64url_decode(encoded_signature)
    signing_input = f"{encoded_header}.{encoded_payload}".encode("ascii")
    kid = header.get("kid")
    for key in keys:
        # guard: A14 the key decides the algorithm
        if key.algorithm != header.get("alg") or (kid is not None and key.kid is not None and key.kid != kid):
            continue
        # guard: A14 the signature of an id_token_hint is verified
        if key.accepts(signing_input, signature):
            return VerifiedJws(header, payload, key)
    raise BadSignature("no key made this signature")


def _split(token: str) -> tuple[str, str, str]:
    # guard: A17 an oversized token is refused unread
    if len(token) > MAX_TOKEN_LENGTH:
        raise MalformedToken("longer than any token made here")
    parts = token.split(".")
    if len(parts) != _SEGMENTS:
        raise MalformedToken("expected three parts joined by dots")
    return parts[0], parts[1], parts[2]


def read_header(encoded: str) -> Mapping[str, object]:
    """Decode the header of a JWS or JWE. Raises MalformedToken."""
    try:
        header = json.loads(base64url_decode(encoded), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise MalformedToken("expected a JSON object as header") from error
    if not isinstance(header, dict):
        raise MalformedToken("expected a JSON object as header")
    return header


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object. Raises MalformedToken for a repeated name (RFC 7515, section 4)."""
    header = dict(pairs)
    if len(header) != len(pairs):
        raise MalformedToken("a header parameter stands twice")
    return header
