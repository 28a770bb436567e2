"""JWTs signed by others: client assertions, DPoP proofs, tokens of other issuers (RFC 7519, RFC 8725).

Parsed strictly. Callers validate the claims, which depend on the purpose of the JWT.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from ostiary.proto.jose import JoseError, VerifyingKey, base64url_decode, peek_header, verify
from ostiary.record import dataclass

MAX_LENGTH: Final = 16_384  # characters

_MAX_TIME: Final = 253_402_300_799  # seconds: the end of the year 9999; excludes NaN and infinities


class BadStatement(ValueError):
    """An invalid JWT. The message says why."""


class BadAudience(BadStatement):
    """A JWT for somebody else. `named` is whom it names, as text, `accepted` who we are."""

    def __init__(
        self, statement: SignedStatement, accepted: Collection[str], message: str = "aud is somebody else"
    ) -> None:
        self.named = " ".join(sorted(statement.audience))
        self.accepted = tuple(sorted(accepted))
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A JWT with a valid signature."""

    header: Mapping[str, object]
    claims: Mapping[str, object]

    def text(self, name: str, *, longest: int = 512) -> str:
        """Return a required claim, a text. Raises BadStatement."""
        value = self.claims.get(name)
        if not isinstance(value, str) or not value or len(value) > longest:
            raise BadStatement(f"{name} is missing or not a text of at most {longest} characters")
        return value

    def seconds(self, name: str) -> float | None:
        """Return a time claim (NumericDate, seconds), or None without it. Raises BadStatement."""
        value = self.claims.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_MAX_TIME <= value <= _MAX_TIME:
            raise BadStatement(f"{name} is not a time")
        return value

    def require_audience(self, accepted: Collection[str]) -> None:
        """Require that it is meant for one of these. Raises BadAudience."""
        if not self.audience & set(accepted):
            raise BadAudience(self, accepted)

    @property
    def audience(self) -> frozenset[str]:
        """The values of aud (RFC 7519 4.1.3); empty when it is missing or malformed."""
        value = self.claims.get("aud")
        if isinstance(value, str):
            return frozenset({value})
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return frozenset(value)
        return frozenset()


def unverified_header(text: str, *, longest: int = MAX_LENGTH) -> Mapping[str, object]:
    """Return the unverified header, only for choosing a key. Raises BadStatement."""
    if len(text) > longest:
        raise BadStatement("too long")
    try:
        return peek_header(text)
    except JoseError as error:
        raise BadStatement(str(error)) from error


def unverified_claim(text: str, name: str) -> str | None:
    """Return an unverified claim, a text or None, only for finding the client."""
    parts = text.split(".")
    if len(parts) != 3 or len(text) > MAX_LENGTH:  # noqa: PLR2004 - header, payload, signature
        return None
    try:
        value = _claims(_decode(parts[1])).get(name)
    except BadStatement:
        return None
    return value if isinstance(value, str) else None


def read_statement(text: str, keys: Iterable[VerifyingKey], *, longest: int = MAX_LENGTH) -> SignedStatement:
    """Verify the signature of a JWT with one of the keys. Raises BadStatement."""
    if len(text) > longest:
        raise BadStatement("too long")
    try:
        # guard: A15 the signature of a request object is verified
        verified = verify(text, keys)
    except JoseError as error:
        raise BadStatement(str(error)) from error
    return SignedStatement(verified.header, _claims(verified.payload))


def verify_times(statement: SignedStatement, *, now: int, leeway: int, longest: int | None = None) -> float:
    """Verify exp, nbf and iat (RFC 7519 4.1.4-6). Returns exp in seconds. Raises BadStatement.

    `now` is microseconds UTC, `leeway` and `longest` are seconds; exp may be at most `longest` ahead.
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
        claims = json.loads(payload, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BadStatement("expected a JSON object as claims") from error
    if not isinstance(claims, dict):
        raise BadStatement("expected a JSON object as claims")
    return claims


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the claims. Raises BadStatement for a repeated name (RFC 7519 4)."""
    claims = dict(pairs)
    if len(claims) != len(pairs):
        raise BadStatement("a claim stands twice")
    return claims
