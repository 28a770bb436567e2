"""Client assertions (RFC 7521 4.2, RFC 7523 2.2 and 3; OpenID Connect Core 9)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ostiary.proto.oauth2.clients.statement import BadAudience, BadStatement, SignedStatement, verify_times
from ostiary.record import dataclass

JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LEEWAY: Final = 30  # seconds a client's clock may be wrong
MAX_LIFETIME: Final = 3600  # seconds; a client makes a new assertion for each request


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified client assertion. Its jti may be used once until `expires`, microseconds UTC."""

    jti: str
    expires: int


def verify_assertion(statement: SignedStatement, *, client_id: str, audiences: Collection[str], now: int) -> Assertion:
    """Verify the claims of an assertion (RFC 7523 3) whose signature is valid. Raises BadStatement.

    `audiences` are the identifiers of this server. The assertion must name exactly one: another server in a list could
    replay it here.
    """
    if statement.text("iss") != client_id or statement.text("sub") != client_id:
        raise BadStatement("iss and sub are not both the client")
    # guard: A14 an assertion has one audience
    if statement.claims.get("aud") not in audiences:
        raise BadAudience(statement, audiences, "aud is not one text, or somebody else")
    expires = verify_times(statement, now=now, leeway=LEEWAY, longest=MAX_LIFETIME)
    return Assertion(statement.text("jti"), int((expires + LEEWAY) * 1_000_000))
