"""What explanations show of an OAuth2 application: the facts of its requests, and the claims it would receive."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.providers.oauth2.protected.userinfo import userinfo_claims
from ostiary.providers.oauth2.provider.client import Client, client_by_provider, offered_scopes
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.tokens.claims_context import preview_mapping_context
from ostiary.providers.oauth2.tokens.issue import preview_identity
from ostiary.providers.oauth2.tokens.new_authorization import new_authorization
from ostiary.sessions.session import Session
from ostiary.signon.explain.preview import ProtocolPreview, ReleasedClaims

if TYPE_CHECKING:
    from ostiary.signon.explain.situation import Situation

_DECIDED_LATER: Final = ("jti", "sid")  # other ones in every session


def preview(salt: str) -> ProtocolPreview:
    """Return this protocol's part of explanations. `salt` is the install id."""
    return ProtocolPreview(provider=OAuth2Provider, facts=_facts, released=partial(_released, salt=salt))


def _client(situation: Situation) -> Client | None:
    provider = situation.application.provider
    return None if provider is None else client_by_provider(situation.snapshot, provider)


def _scopes(client: Client, situation: Situation) -> tuple[str, ...]:
    offered = offered_scopes(client)
    wanted = situation.scopes
    return offered if wanted is None else tuple(name for name in offered if name in wanted)


def _facts(situation: Situation) -> Mapping[str, object]:
    client = _client(situation)
    if client is None:
        return {}
    return {"oauth_scopes": list(_scopes(client, situation)), "oauth_grant_type": "authorization_code"}


async def _released(situation: Situation, *, salt: str) -> ReleasedClaims | None:
    client = _client(situation)
    if client is None:
        return None
    session = _session(situation)
    authorization = new_authorization(
        client, session, situation.subject, scope=_scopes(client, situation), salt=salt, now=situation.now
    )
    issuer = client.issuer(situation.base_url)
    identity, claims = await preview_identity(
        client,
        authorization,
        situation.subject,
        preview_mapping_context(client, situation),
        issuer=issuer,
        now=situation.now,
    )
    shown = {name: value for name, value in identity.items() if name not in _DECIDED_LATER}
    return ReleasedClaims(
        claims={"ID token": shown, "userinfo": userinfo_claims(claims.values, identity)},
        failed={item.mapping.name: f"{item.reason}; its claims are left out" for item in claims.failed},
    )


def _session(situation: Situation) -> Session:
    """Return a session as the person would have it, which no database knows."""
    return Session(
        key=b"",
        pk="",
        created=situation.now,
        last_seen=situation.now,
        expires=situation.now,
        idle_expires=situation.now,
        idle=0,
        persistent=False,
        user=situation.subject.user.pk,
        auth_time=situation.now,
        amr=situation.amr,
    )
