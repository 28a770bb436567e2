"""Front-channel logout, through the browser (OpenID Connect Front-Channel Logout 1.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ostiary.grants.session_clients import SessionClient, clients_of_session
from ostiary.proto.oauth2.authorization.redirect import with_query
from ostiary.providers.oauth2.provider.definition import OAuth2Provider

if TYPE_CHECKING:
    from ostiary.sessions.session import Session
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database

FrontChannelHook = Callable[["Session"], Awaitable[Sequence[Mapping[str, object]]]]


def frontchannel_hook(database: Database, plane: ConfigPlane) -> FrontChannelHook:
    """Return the hook of sessions with the front-channel logout URLs of a session."""

    async def addresses(session: Session) -> Sequence[Mapping[str, object]]:
        snapshot = plane.snapshot
        providers = snapshot.memo("oauth2.frontchannel", lambda: _by_number(snapshot.all(OAuth2Provider)))
        if session.user is None or not providers:
            return ()
        clients = await clients_of_session(database, session.key)
        return [_iframe(providers[item.provider], item) for item in clients if item.provider in providers]

    return addresses


def logout_address(provider: OAuth2Provider, party: SessionClient) -> str:
    """Return the front-channel logout URL, with iss and sid (section 2)."""
    return with_query(provider.logout_uri, [("iss", party.issuer), ("sid", party.sid)])


def _iframe(provider: OAuth2Provider, party: SessionClient) -> Mapping[str, object]:
    return {"provider_name": provider.name, "binding": "redirect", "url": logout_address(provider, party)}


def _by_number(providers: Sequence[OAuth2Provider]) -> Mapping[int, OAuth2Provider]:
    return {int(item.pk): item for item in providers if item.logout_channel() == "frontchannel"}
