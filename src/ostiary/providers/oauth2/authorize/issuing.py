"""The last step of an authorization request: the code and the tokens, stored before they are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import insert_access
from ostiary.grants.authorization_codes import Code, insert_code
from ostiary.grants.errors import RequestUsed
from ostiary.grants.family import Authorization, insert_family
from ostiary.grants.pushed_requests import use_pushed
from ostiary.grants.session_clients import join_session
from ostiary.mappings.mapping_events import mapping_statements
from ostiary.proto.oauth2.authorization.request import grant_resources
from ostiary.proto.oauth2.errors import INVALID_REQUEST_URI, LOGIN_REQUIRED, OAuthError
from ostiary.proto.oauth2.scope import OPENID
from ostiary.providers.oauth2.audit_events import authorized
from ostiary.providers.oauth2.authorize.response import send
from ostiary.providers.oauth2.authorize.subject_hints import reached_class
from ostiary.providers.oauth2.logout.session_management import session_state
from ostiary.providers.oauth2.tokens.claims_context import mapping_context_for
from ostiary.providers.oauth2.tokens.issue import FrontTokens, issue_front
from ostiary.providers.oauth2.tokens.new_authorization import new_authorization
from ostiary.signon.final_commit import SessionEnded, finish
from ostiary.store.hashing import new_token, token_hash
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext
    from ostiary.store.database import Batch, Statement
    from ostiary.web.response import Response

_CODE: Final = "authorization_code"


async def complete(context: AuthorizationContext) -> Response:
    """Issue what was asked for, and send it. Raises OAuthError when a pushed request was answered meanwhile."""
    parts, target = context.wanted.parts, context.target
    authorization = _authorization(context)
    code = new_token() if "code" in parts else None
    tokens = None
    if parts & {"token", "id_token"}:
        tokens = await issue_front(
            context.client,
            authorization,
            context.signed_in[1],
            mapping_context=mapping_context_for(context.client, context.services, context.request, now=context.now),
            issuer=context.issuer,
            access="token" in parts,
            identify="id_token" in parts,
            code=code,
            state=target.state,
            now=context.now,
        )
    await _store(context, authorization, code, tokens)
    return await send(context, [*_code_pairs(code), *_token_pairs(context, tokens), *_session_pairs(context)])


def flow_name(context: AuthorizationContext) -> str:
    """Return the flow in the words of OpenID Connect Core 3, as policies and the audit log know it."""
    parts = context.wanted.parts
    if "code" not in parts:
        return "implicit"
    return _CODE if len(parts) == 1 else "hybrid"


def _authorization(context: AuthorizationContext) -> Authorization:
    session, subject = context.signed_in
    client, wanted = context.client, context.wanted
    return new_authorization(
        client,
        session,
        subject,
        scope=context.scope,
        salt=context.services.users.install_id,
        now=context.now,
        nonce=wanted.nonce,
        claims=wanted.claims,
        resources=grant_resources(wanted.resources, client.provider.resources),
        dpop_jkt=context.dpop_jkt,
        acr=reached_class(context),
    )


async def _store(
    context: AuthorizationContext, authorization: Authorization, code: str | None, tokens: FrontTokens | None
) -> None:
    handle_hash, now = context.handle_hash, context.now
    statements = list(_statements(context, authorization, code, tokens))

    def own() -> Batch[None]:
        if handle_hash is not None:
            yield from use_pushed(handle_hash, now=now)
        yield from run(statements)

    try:
        await finish(context, own)
    except RequestUsed:
        raise OAuthError(INVALID_REQUEST_URI, "answered meanwhile") from None
    except SessionEnded:
        raise OAuthError(LOGIN_REQUIRED, "the session ended meanwhile") from None


def _statements(
    context: AuthorizationContext, authorization: Authorization, code: str | None, tokens: FrontTokens | None
) -> Iterable[Statement]:
    client, now, client_ip = context.client, context.now, context.request.client
    _, subject = context.signed_in
    access = tokens.access if tokens is not None else None
    code_ends = now + client.code_lifetime
    ends = [*([code_ends] if code is not None else []), *([access.expires] if access is not None else [])]
    if ends:  # an ID token alone leaves nothing behind that could be taken back
        yield insert_family(authorization, now=now, expires=max(ends))
    if code is not None:
        yield insert_code(token_hash(code), _code(context, authorization), expires=code_ends)
    if access is not None:
        yield insert_access(access)
    yield from join_session(authorization, issuer=context.issuer)
    if tokens is not None:
        yield from mapping_statements(tokens.claims, user=subject.user.who, client_ip=client_ip, now=now)
    yield authorized(client, subject, scope=context.scope, flow=flow_name(context), client_ip=client_ip, now=now)


def _code(context: AuthorizationContext, authorization: Authorization) -> Code:
    challenge = context.wanted.challenge
    return Code(
        authorization=authorization,
        redirect_uri=context.target.redirect_uri,
        challenge=challenge.value if challenge else None,
        challenge_method=challenge.method if challenge else None,
    )


def _session_pairs(context: AuthorizationContext) -> Iterable[tuple[str, str]]:
    """Yield session_state (OpenID Connect Session Management 2), which only answers of OpenID Connect have."""
    if OPENID in context.scope:
        session, _ = context.signed_in
        state = session_state(context.client.provider.client_id, context.target.redirect_uri, session.key)
        if state is not None:
            yield "session_state", state


def _code_pairs(code: str | None) -> list[tuple[str, str]]:
    return [] if code is None else [("code", code)]


def _token_pairs(context: AuthorizationContext, tokens: FrontTokens | None) -> Iterable[tuple[str, str]]:
    """Yield the members of RFC 6749 4.2.2 and OpenID Connect Core 3.2.2.5. The scope is named: it may be narrower."""
    if tokens is None:
        return
    if tokens.access_token is not None:
        yield "access_token", tokens.access_token
        yield "token_type", "Bearer"
        yield "expires_in", str(tokens.expires_in)
        yield "scope", " ".join(context.scope)
    if tokens.id_token is not None:
        yield "id_token", tokens.id_token
