"""grant_type=client_credentials (RFC 6749 4.4) and password (4.3), which are the same here, as in authentik.

Four ways of authentication, in this order: a token of a trusted provider (`jwt_bearer`) or source
(`jwt_bearer_issuers`), username and app password, client authentication, and username and app password in place of the
client secret. All but the third authenticate a user or service account instead of the client. A client with a stronger
method than a secret is authenticated in any case.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.directory.errors import Throttled
from ostiary.directory.machines import Machines, NotGenerated, moved_to
from ostiary.events.event import event
from ostiary.grants.access_tokens import insert_access
from ostiary.grants.derived_tokens import insert_derivation
from ostiary.grants.family import Authorization, lock_family
from ostiary.proto.oauth2.errors import INVALID_CLIENT, INVALID_GRANT, INVALID_REQUEST, UNAUTHORIZED_CLIENT, OAuthError
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS, OPENID
from ostiary.proto.oauth2.token import ClientCredentialsRequest, narrow_resources, parse_client_credentials_request
from ostiary.providers.oauth2.client_authentication.authentication import BY_SECRET, Presented, has_secret, prove
from ostiary.providers.oauth2.provider.client import offered_scopes
from ostiary.providers.oauth2.token.grants.jwt_bearer import Federated, federated
from ostiary.providers.oauth2.token.grants.jwt_bearer_issuers import foreign
from ostiary.providers.oauth2.token.request import GrantResult, TokenRequest
from ostiary.providers.oauth2.tokens.claims import sub_claim
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.web.errors import TooManyRequests

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch, Statement

_TOO_MANY: Final = "Too many wrong app passwords. Wait a little."
_MAX_LENGTH: Final = 4096  # characters of a secret that may be a username and app password
_NAME: Final = 128  # characters of the provider's name in the username


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The subject of the token, and how it was authenticated.

    `source` is the token that authenticated it, if any; `until` is the expiry of that token, in microseconds UTC.
    """

    subject: Subject
    method: str
    arguments: Mapping[str, object]
    facts: Mapping[str, object] = field(default_factory=dict)
    source: Federated | None = None
    until: int | None = None
    writes: tuple[Statement, ...] = ()


async def client_credentials(token_request: TokenRequest) -> GrantResult:
    """Authenticate a program. Two round trips with a client secret: one here, one to write. Raises OAuthError."""
    parameters = parse_client_credentials_request(token_request.parameters)
    known = token_request.client.provider.resources
    resources = narrow_resources(parameters.resources, known, known=known)
    proved = await _proved(token_request, parameters)
    offered = offered_scopes(token_request.client)
    scope = tuple(name for name in parameters.scope if name in offered and name != OFFLINE_ACCESS)
    source = proved.source
    authorization = Authorization(
        family=(source.family if source else None) or "",
        provider=token_request.client.pk,
        user=proved.subject.user.pk,
        session=source.session if source else None,
        offline=False,
        scope=scope,
        nonce=None,
        auth_time=token_request.now,
        amr=(),
        sid=None,
        sub=sub_claim(proved.subject, token_request.client, salt=token_request.services.users.install_id),
        resources=resources or (),
    )
    return GrantResult(
        authorization=authorization,
        scope=scope,
        rotate=False,
        nonce=None,
        store=lambda issued: _store(authorization, issued, source),
        resources=resources,
        identify=OPENID in scope,
        subject=proved.subject,
        facts=proved.facts,
        audit_events=(*proved.writes, _login(token_request, proved)),
        until=proved.until,
    )


async def _proved(token_request: TokenRequest, parameters: ClientCredentialsRequest) -> Proved:
    client, claim = token_request.client, token_request.claim
    method = client.provider.token_endpoint_auth_method
    presented = Presented(client, claim)
    own_assertion = method in {"client_secret_jwt", "private_key_jwt"}
    if method not in BY_SECRET:
        await prove(presented, token_request.request, token_request.services)
    if claim.assertion is not None and not own_assertion:
        return await _by_token(token_request, claim.assertion)
    if parameters.username is not None and parameters.password is not None:
        if method in BY_SECRET and claim.secret is not None and not client.public and not has_secret(presented):
            raise OAuthError(INVALID_CLIENT, "wrong client secret beside an app password")
        return await _by_app_password(token_request, parameters.username, parameters.password)
    if token_request.grant.name == "password":
        raise OAuthError(INVALID_REQUEST, "username or password is missing")
    # guard: A12 a public client cannot use client credentials
    if method not in BY_SECRET or (has_secret(presented) and not client.public):
        return await _as_account(token_request)
    pair = _pair(claim.secret) if method in {"secret", claim.method} else None
    if pair is not None:
        return await _by_app_password(token_request, *pair)
    if client.public:
        raise OAuthError(UNAUTHORIZED_CLIENT, "a public client has no credentials of its own (RFC 6749 4.4)")
    raise OAuthError(INVALID_CLIENT, "wrong client secret" if claim.secret is not None else "no client secret")


async def _by_token(token_request: TokenRequest, text: str) -> Proved:
    token = await federated(token_request, text)
    if token is None:
        return await _by_source(token_request, text)
    return Proved(
        subject=token.subject,
        method="jwt",
        arguments={"jwt": {"iss": token.claims.get("iss"), "jti": token.claims.get("jti")}, "provider": token.name},
        facts={"oauth_jwt": dict(token.claims)},
        source=token,
        until=token.expires,
    )


async def _by_source(token_request: TokenRequest, text: str) -> Proved:
    token = await foreign(token_request, text)
    return Proved(
        subject=token.subject,
        method="jwt",
        arguments={
            "jwt": {name: token.claims.get(name) for name in ("iss", "sub", "jti")},
            "source": {"pk": str(token.source.pk), "name": token.source.name, "slug": token.source.slug},
        },
        facts={"oauth_jwt": dict(token.claims)},
        until=token.expires,
        writes=token.writes,
    )


async def _by_app_password(token_request: TokenRequest, username: str, password: str) -> Proved:
    address = token_request.request.client
    try:
        app_password = await _machines(token_request).app_password(
            username, Secret(password), address, token_request.now
        )
    except Throttled as error:
        refusal = TooManyRequests(retry_after=error.retry_after, message=_TOO_MANY)
        refusal.user = await _log_failure(token_request, username, "throttled")
        raise refusal from None
    if app_password is None:
        wrong = OAuthError(INVALID_GRANT, "no such app password of that account")
        wrong.user = await _log_failure(token_request, username, "app_password")
        raise wrong
    return Proved(subject=app_password.subject, method="token", arguments={"identifier": app_password.token.identifier})


async def _log_failure(token_request: TokenRequest, username: str, reason: str) -> Mapping[str, object] | None:
    """Write the log line; return whose name it was. People may type passwords there: only known names are logged."""
    named = await token_request.services.users.by_username(username)
    name = None if named is None else named.username
    token_request.services.sign_ins.failed(user=name, address=token_request.request.client, reason=reason)
    return None if named is None else named.who


async def _as_account(token_request: TokenRequest) -> Proved:
    provider, path = token_request.client.provider, f"goauthentik.io/apps/{token_request.client.application.slug}"
    name = f"ak-{provider.name[:_NAME]}-client_credentials"
    try:
        subject = await _machines(token_request).account(
            name, path=path, now=token_request.now, name=_shown(token_request)
        )
    except NotGenerated as error:
        raise OAuthError(INVALID_GRANT, f"the account {name} was made by somebody") from error
    return Proved(
        subject=subject,
        method="oauth_client_secret",
        arguments={"provider": provider.name},
        writes=moved_to(subject, path),
    )


def _shown(token_request: TokenRequest) -> str:
    """Return the name that people see, authentik's."""
    return f"Autogenerated user from application {token_request.client.application.name} (client credentials)"


def _pair(secret: str | None) -> tuple[str, str] | None:
    """Return the username and app password sent in place of a secret, as base64 of both with a colon."""
    if secret is None or len(secret) > _MAX_LENGTH:
        return None
    try:
        name, colon, password = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon and name and password else None


def _machines(token_request: TokenRequest) -> Machines:
    return Machines(token_request.services.database, token_request.services.users)


def _store(authorization: Authorization, issued: Issued, source: Federated | None) -> Batch[None]:
    """Store the token. A derived token ends with its source token, and with that token's family and session."""
    if source is not None:
        yield from insert_derivation(issued.access.hash, source=source.hash)
    if authorization.family:
        yield lock_family(authorization, expires=issued.access.expires)
    yield insert_access(issued.access)


def _login(token_request: TokenRequest, proved: Proved) -> Statement:
    return event(
        "login",
        user=proved.subject.user.who,
        app="authentik.events.signals",
        context={
            "auth_method": proved.method,
            "auth_method_args": dict(proved.arguments),
            "user_agent": token_request.request.headers.get("user-agent", ""),
        },
        client_ip=token_request.request.client,
        now=token_request.now,
    )
