"""Back-channel logout (OpenID Connect Back-Channel Logout 1.0).

A notice is enqueued in the transaction that ends the session, for every client of the session with a back-channel
logout URI. The worker signs a logout token for each and posts it, with growing waits between retries. The outcome is an
event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.events.event import event
from ostiary.grants import session_clients
from ostiary.grants.session_clients import SessionClient, load_session_client
from ostiary.providers.oauth2.audit_events import APP
from ostiary.providers.oauth2.provider.client import Client, client_by_provider
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.tokens.claims import random_text
from ostiary.resource import codec
from ostiary.room import Job
from ostiary.store.workspace.commit import run
from ostiary.tasks.job import enqueue_each
from ostiary.web.outgoing.requests import OutgoingFailed, post_form

if TYPE_CHECKING:
    from ostiary.directory.users import Users
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database, Statement

NAME: Final = "oauth2.backchannel_logout"
EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
TYP: Final = "logout+jwt"
LIFETIME: Final = 120  # seconds; section 2.4 advises at most two minutes
ATTEMPTS: Final = 14  # with doubled waits the last is about an hour after the first
SENT: Final = "custom_backchannel_logout"
FAILED: Final = "custom_backchannel_logout_failed"

_SECOND: Final = 1_000_000
_OK: Final = frozenset({200, 204})  # 2.8, and 204 as it was before the final text
_REFUSED: Final = 400  # the client has read and refused the token: no retry

Post = Callable[[str, Sequence[tuple[str, str]]], Awaitable[int]]


class DeliveryFailed(Exception):
    """The logout token was not delivered. The text says why; it is retried."""


class Notices:
    """The hooks that enqueue notices, for every way in which sessions end."""

    def __init__(self, plane: ConfigPlane) -> None:
        self._plane = plane

    def on_session_end(self, key: bytes, now: int) -> Iterable[Statement]:
        """Yield the notices to the clients of a session. It must run before the hook that deletes them."""
        providers = self._provider_numbers()
        if providers:
            query, values = session_clients.of_session(key, providers)
            yield enqueue_each(NAME, query, values, now=now)

    def on_user_ended(self, user: int, now: int) -> Iterable[Statement]:
        """Yield the notices to the clients of all sessions of a user."""
        providers = self._provider_numbers()
        if providers:
            query, values = session_clients.of_user(user, providers)
            yield enqueue_each(NAME, query, values, now=now)

    def _provider_numbers(self) -> tuple[int, ...]:
        """Return the providers with back-channel logout."""
        snapshot = self._plane.snapshot

        def build() -> tuple[int, ...]:
            providers = (item for item in snapshot.all(OAuth2Provider) if item.logout_channel() == "backchannel")
            return tuple(sorted(int(item.pk) for item in providers))

        return snapshot.memo("oauth2.backchannel", build)


def job(database: Database, plane: ConfigPlane, users: Users, *, post: Post = post_form) -> Job:
    """Return the job that delivers one notice."""

    async def deliver(args: Mapping[str, object], *, now: int) -> None:
        party = load_session_client(args)
        client = client_by_provider(plane.snapshot, party.provider)
        if client is None or client.provider.logout_channel() != "backchannel":
            return  # the configuration has changed meanwhile
        token = logout_token(client, party, now=now)
        try:
            status = await post(client.provider.logout_uri, [("logout_token", token)])
        except OutgoingFailed as error:
            raise DeliveryFailed(f"{client.provider.name}: {error}") from error
        if status not in _OK and status != _REFUSED:
            raise DeliveryFailed(f"{client.provider.name}: answered {status}")
        user = await users.get(party.user)
        who = user.who if user is not None else {"pk": party.user}
        event_statement = _event(client, party, SENT if status in _OK else FAILED, {"status": status}, who=who, now=now)
        await database.write(lambda: run([event_statement]))

    def given_up(args: Mapping[str, object], error: str, now: int) -> Iterable[Statement]:
        party = load_session_client(args)
        client = client_by_provider(plane.snapshot, party.provider)
        if client is not None:
            yield _event(client, party, FAILED, {"message": error}, who={"pk": party.user}, now=now)

    summary = "Sends one logout token to one client (back-channel logout); a delivery that failed is an event"
    return Job(NAME, deliver, summary, limit=60 * _SECOND, attempts=ATTEMPTS, given_up=given_up)


def logout_token(client: Client, party: SessionClient, *, now: int) -> str:
    """Return a logout token (section 2.4), signed like an ID token. It has no nonce, so that it cannot pass for one."""
    seconds = now // _SECOND
    claims: dict[str, object] = {
        "iss": party.issuer,
        "sub": party.sub,
        "aud": client.provider.client_id,
        "iat": seconds,
        "exp": seconds + LIFETIME,
        "jti": random_text(),
        "events": {EVENT: {}},
    }
    if party.sid:
        claims["sid"] = party.sid
    return client.sign(codec.encode(claims), typ=TYP)


def _event(
    client: Client,
    party: SessionClient,
    action: str,
    more: Mapping[str, object],
    *,
    who: Mapping[str, object],
    now: int,
) -> Statement:
    context = {
        "application": client.application.name,
        "provider": client.pk,
        "client_id": client.provider.client_id,
        "sid": party.sid,
        **more,
    }
    return event(action, user=who, app=APP, context=context, client_ip=None, now=now)
