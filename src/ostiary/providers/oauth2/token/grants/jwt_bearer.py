"""JWT bearer tokens of other providers of this installation (RFC 7523 2.1), listed in jwt_federation_providers.

A token is accepted if we issued it and it is still valid: signed by that provider's keys, not expired, and stored. Its
audience must be us (our issuer or client), or the usual one of that provider: its own client or issuer. A token for
another resource (RFC 8707) is refused, and a bound token is accepted from the holder of its key only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import find_access
from ostiary.proto.oauth2.clients.statement import BadStatement, SignedStatement, read_statement, verify_times
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.client_authentication.token_binding import verify_same_binding
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.record import dataclass
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.token.request import TokenRequest

_MAX_LENGTH: Final = 32_768  # characters of a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated:
    """The user of a federated token. Derived tokens share its family, session and expiry.

    `hash` and `expires` (microseconds UTC) are those of the token.
    """

    subject: Subject
    claims: Mapping[str, object]
    name: str  # of that provider
    family: str | None
    session: bytes | None
    hash: bytes
    expires: int


async def federated(token_request: TokenRequest, text: str) -> Federated | None:
    """Return the user of the token; None when it is not one of ours, and may be of a source.

    Raises OAuthError (invalid_grant), the same for every failure.
    """
    services, provider = token_request.services, token_request.client.provider
    token = await find_access(services.database, token_hash(text), now=token_request.now)
    if token is None and provider.jwt_federation_sources:
        return None
    # guard: A17 an invalid federated token does not fall back to the client itself
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


def _verified(text: str, origin: Client, token_request: TokenRequest) -> SignedStatement:
    base = token_request.request.base_url
    ours = {client.issuer(base) for client in (token_request.client, origin)}
    ours |= {client.provider.client_id for client in (token_request.client, origin)}
    try:
        statement = read_statement(text, origin.verifying, longest=_MAX_LENGTH)
        verify_times(statement, now=token_request.now, leeway=0)
        statement.require_audience(ours)
    except BadStatement as error:
        raise OAuthError(INVALID_GRANT, f"federated token: {error}") from error
    return statement
