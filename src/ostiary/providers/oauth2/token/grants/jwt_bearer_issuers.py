"""JWT bearer tokens of external issuers (RFC 7521 4.1, RFC 7523 2.1 and 3), listed in jwt_federation_sources.

A token is accepted if an enabled source has its signing key, its issuer is that of the source (where known), it has not
expired, and its audience is us (issuer, token endpoint, client), our client at the source, or one of the provider's
`jwt_federation_audiences`. Its subject gets a service account of its own, created on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.directory.machines import IDENTITY, Machines, NotGenerated, moved_to
from ostiary.proto.oauth2.clients.statement import (
    BadStatement,
    SignedStatement,
    read_statement,
    unverified_header,
    verify_times,
)
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.proto.oauth2.parameters import is_storable
from ostiary.providers.oauth2.client_authentication.authentication import TOKEN_PATH
from ostiary.record import dataclass
from ostiary.trust.issuer_keys import Issuer, NoKeys
from ostiary.trust.oauth_source import OAuthSource

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.token.request import TokenRequest
    from ostiary.store import database

LEEWAY: Final = 30  # seconds of clock skew of an issuer

_MAX_LENGTH: Final = 32_768  # characters of a token
_MAX_SUBJECT_LENGTH: Final = 255  # characters
_SECOND: Final = 1_000_000
# Logout tokens, security events and proofs are signed with the same keys, and must not pass (RFC 8725 3.11).
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """The service account of an external token. Derived tokens end with that token, at `expires`."""

    subject: Subject
    claims: Mapping[str, object]
    source: OAuthSource
    expires: int  # microseconds UTC
    writes: tuple[database.Statement, ...]


async def foreign(token_request: TokenRequest, text: str) -> Foreign:
    """Return the service account of the token. Raises OAuthError (invalid_grant), the same for every failure."""
    reasons: list[str] = []
    cause: Exception | None = None
    try:
        kid = unverified_header(text, longest=_MAX_LENGTH).get("kid")
    except BadStatement as error:
        raise OAuthError(INVALID_GRANT, f"federated token: {error}") from error
    for source in _sources(token_request):
        try:
            issuer = await token_request.services.issuers.issuer(
                source, kid=kid if isinstance(kid, str) else None, now=token_request.now
            )
            return await _account(token_request, source, *_verified(token_request, source, issuer, text))
        except (BadStatement, NoKeys) as error:
            reasons.append(f"source {source.slug}: {error}")
            cause = error
    raise OAuthError(INVALID_GRANT, f"federated token: {'; '.join(reasons) or 'no source is federated'}") from cause


def _sources(token_request: TokenRequest) -> list[OAuthSource]:
    snapshot = token_request.services.plane.snapshot
    sources = (snapshot.get(OAuthSource, pk) for pk in token_request.client.provider.jwt_federation_sources)
    # guard: A18 tokens of a disabled source are refused
    return [source for source in sources if source is not None and source.enabled]


def _verified(
    token_request: TokenRequest, source: OAuthSource, issuer: Issuer, text: str
) -> tuple[SignedStatement, int]:
    """Return the token's claims and its expiry in microseconds UTC. Raises BadStatement."""
    statement = read_statement(text, issuer.keys, longest=_MAX_LENGTH)
    # guard: A14 a token of another type is refused
    if str(statement.header.get("typ", "JWT")).lower() not in _TYPES or "events" in statement.claims:
        raise BadStatement("another kind of token")
    # guard: A10 a federated token must have the source's issuer
    if issuer.name is not None and statement.claims.get("iss") != issuer.name:
        raise BadStatement("iss is not the source's issuer")
    # guard: A16 a federated token must have our audience
    statement.require_audience(_audiences(token_request, source))
    return statement, int(verify_times(statement, now=token_request.now, leeway=LEEWAY) * _SECOND)


def _audiences(token_request: TokenRequest, source: OAuthSource) -> frozenset[str]:
    base, client = token_request.request.base_url, token_request.client
    issuer = client.issuer(base)
    ours = {issuer, issuer.rstrip("/"), f"{base}{TOKEN_PATH}", client.provider.client_id, source.consumer_key}
    return frozenset(ours | set(client.provider.jwt_federation_audiences))


async def _account(
    token_request: TokenRequest, source: OAuthSource, statement: SignedStatement, expires: int
) -> Foreign:
    """Return the service account of the token's subject, created on first use. Raises OAuthError, BadStatement.

    Its username is authentik's, provider and subject joined by a hyphen, which is ambiguous: it ignores case, and both
    parts may contain hyphens. So the account stores the exact identity it was created for, and serves no other.
    """
    sub = statement.text("sub", longest=_MAX_SUBJECT_LENGTH)
    iss = statement.claims.get("iss")
    if not sub.isprintable() or not (iss is None or (isinstance(iss, str) and is_storable(iss))):
        raise BadStatement("a sub or iss that cannot be kept or shown")
    name = f"{token_request.client.provider.name}-{sub}"
    identity: Mapping[str, object] = {"source": str(source.pk), "iss": iss, "sub": sub}
    machines = Machines(token_request.services.database, token_request.services.users)
    try:
        subject = await machines.account(
            name, path=source.user_path, now=token_request.now, attributes={IDENTITY: dict(identity)}
        )
    except NotGenerated as error:
        raise OAuthError(INVALID_GRANT, f"the account {name} was made for somebody else") from error
    return Foreign(
        subject=subject,
        claims=statement.claims,
        source=source,
        # The leeway is for clock skew only: it does not prolong derived tokens.
        expires=max(expires, token_request.now + _SECOND),
        writes=moved_to(subject, source.user_path),
    )
