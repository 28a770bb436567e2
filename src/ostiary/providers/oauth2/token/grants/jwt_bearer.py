"""Tokens of other providers of this installation as proof (RFC 7523 2.1): jwt_federation_providers names them.

A token counts when it is one that we issued and would still accept: its signature holds with that provider's keys, it
is not expired, and its row is there. Its audience must be here: us (our issuer or client), or what that provider's
tokens usually name, its own client or issuer. A token made for some other resource (RFC 8707) is not taken, and one
that is bound to a key only from the holder of that key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.grants.access import find_access
from ostiary.proto.oauth2.clients.statement import BadStatement, Statement, read_statement, verify_times
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.client_authentication.token_binding import verify_same_binding
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.record import dataclass
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.token.request import TokenRequest

_LONGEST: Final = 32_768  # characters of a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated:
    """The person a token of another provider speaks for. Tokens made of it share its family and session, and its end.

    `hash` is that token's; `expires` its end, microseconds UTC.
    """

    subject: Subject
    claims: Mapping[str, object]
    name: str  # of that provider
    family: str | None
    session: bytes | None
    hash: bytes
    expires: int


async def federated(token_request: TokenRequest, text: str) -> Federated | None:
    """Return whom the token speaks for; None when it is not one of ours, but perhaps of a source.

    Raises OAuthError (invalid_grant): to strangers every failure looks alike.
    """
    services, provider = token_request.services, token_request.client.provider
    token = await find_access(services.database, token_hash(text), now=token_request.now)
    if token is None and provider.jwt_federation_sources:
        return None
    # guard: A17 a token that is not federated does not fall back to the client's rights
    if token is None or token.provider not in provider.jwt_federation_providers:
        raise OAuthError(INVALID_GRANT, "not a token of a federated provider")
    origin = client_by_provider(services.plane.snapshot, token.provider)
    if origin is None:
        raise OAuthError(INVALID_GRANT, "the federated provider is not served")
    verify_same_binding(token.binding, token_request.binding)
    statement = _verified(text, origin, token_request)
    subject = await services.users.subject(token.user)
    if subject is None:
        raise OAuthError(INVALID_GRANT, "the person of the token is gone")
    return Federated(
        subject=subject,
        claims=statement.claims,
        name=origin.provider.name,
        family=token.family,
        session=token.session,
        hash=token.hash,
        expires=token.expires,
    )


def _verified(text: str, origin: Client, token_request: TokenRequest) -> Statement:
    base = token_request.request.base_url
    ours = {client.issuer(base) for client in (token_request.client, origin)}
    ours |= {client.provider.client_id for client in (token_request.client, origin)}
    try:
        statement = read_statement(text, origin.verifying, longest=_LONGEST)
        verify_times(statement, now=token_request.now, leeway=0)
    except BadStatement as error:
        raise OAuthError(INVALID_GRANT, f"federated token: {error}") from error
    if not statement.audience & ours:
        raise OAuthError(INVALID_GRANT, "the federated token is meant for somebody else")
    return statement
