"""JWTs that others signed: client assertions, DPoP proofs, tokens of other issuers (RFC 7519, RFC 8725).

Read strictly into a frozen value; the signature and the claims are judged by who knows what the JWT is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.proto.jose import JoseError, VerifyingKey, base64url_decode, peek_header, verify
from ostiary.record import dataclass

LONGEST: Final = 16_384  # characters

_LAST: Final = 253_402_300_799  # seconds: the end of the year 9999; NaN and infinities are outside as well


class BadStatement(ValueError):
    """Not a JWT that could be good; the text says why."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A JWT whose signature holds."""

    header: Mapping[str, object]
    claims: Mapping[str, object]

    def text(self, name: str, *, longest: int = 512) -> str:
        """Return a claim that must be a text. Raises BadStatement."""
        value = self.claims.get(name)
        if not isinstance(value, str) or not value or len(value) > longest:
            raise BadStatement(f"{name} is missing or not a text of at most {longest} characters")
        return value

    def seconds(self, name: str) -> float | None:
        """Return a claim that must be a time, in seconds, or None without it. Raises BadStatement."""
        value = self.claims.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_LAST <= value <= _LAST:
            raise BadStatement(f"{name} is not a time")
        return value

    @property
    def audience(self) -> frozenset[str]:
        """The claim aud (RFC 7519 4.1.3), one text or several; empty when it is anything else."""
        value = self.claims.get("aud")
        if isinstance(value, str):
            return frozenset({value})
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        return frozenset()


def header_of(text: str, *, longest: int = LONGEST) -> Mapping[str, object]:
    """Return the header, not verified: good for choosing a key, nothing else. Raises BadStatement."""
    if len(text) > longest:
        raise BadStatement("too long")
    try:
        return peek_header(text)
    except JoseError as error:
        raise BadStatement(str(error)) from error


def claimed(text: str, name: str) -> str | None:
    """Return a claim of a JWT that is not verified, a text, or None: good for finding a client, nothing else."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > LONGEST:  # noqa: PLR2004 - header, payload, signature
        return None
    try:
        value = _claims(_decode(parts[1])).get(name)
    except BadStatement:
        return None
    return value if isinstance(value, str) else None


def read_statement(text: str, keys: Iterable[VerifyingKey], *, longest: int = LONGEST) -> SignedStatement:
    """Return the JWT that one of the keys signed. Raises BadStatement."""
    if len(text) > longest:
        raise BadStatement("too long")
    try:
        # guard: A15 a request object's signature is checked
        verified = verify(text, keys)
    except JoseError as error:
        raise BadStatement(str(error)) from error
    return SignedStatement(verified.header, _claims(verified.payload))


def verify_times(statement: SignedStatement, *, now: int, leeway: int, longest: int | None = None) -> float:
    """Check exp, nbf and iat (RFC 7519 4.1.4-6) and return exp in seconds. Raises BadStatement.

    `now` is microseconds UTC, `leeway` and `longest` are seconds; with `longest` exp must not be further away.
    """
    seconds = now / 1_000_000
    exp, nbf, iat = (statement.seconds(name) for name in ("exp", "nbf", "iat"))
    if exp is None:
        raise BadStatement("exp is missing")
    if exp + leeway <= seconds:
        raise BadStatement("expired")
    if longest is not None and exp - seconds > longest + leeway:
        raise BadStatement(f"exp is more than {longest} seconds away")
    if nbf is not None and nbf - leeway > seconds:
        raise BadStatement("not valid yet")
    if iat is not None and iat - leeway > seconds:
        raise BadStatement("issued in the future")
    return exp


def _decode(encoded: str) -> bytes:
    try:
        return base64url_decode(encoded)
    except JoseError as error:
        raise BadStatement(str(error)) from error


def _claims(payload: bytes) -> Mapping[str, object]:
    try:
        claims = json.loads(payload, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise BadStatement("expected a JSON object as claims") from error
    if not isinstance(claims, dict):
        raise BadStatement("expected a JSON object as claims")
    return claims


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a claim named twice (RFC 7519 4: names must be unique)."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadStatement("a claim stands twice")
    return made
