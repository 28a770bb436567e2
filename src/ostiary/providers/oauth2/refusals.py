"""Refusals of the protocol, for the log and the audit events: which client, which person, why, and the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from ostiary.events.refusals import Refusal
from ostiary.proto.oauth2.clients.statement import BadAudience
from ostiary.proto.oauth2.errors import (
    AUTHORIZATION_PENDING,
    CONSENT_REQUIRED,
    INTERACTION_REQUIRED,
    INVALID_CLIENT,
    INVALID_TOKEN,
    LOGIN_REQUIRED,
    SLOW_DOWN,
    USE_DPOP_NONCE,
    OAuthError,
)
from ostiary.providers.oauth2.audit_events import APP
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.store.database import StoreError
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

# What clients ask again and again for, as the protocol wants it: no refusal that anybody looks for.
_USUAL: Final = frozenset({AUTHORIZATION_PENDING, USE_DPOP_NONCE})
# The same, unless a reason of its own is told.
_USUAL_WITHOUT_REASON: Final = frozenset({SLOW_DOWN, LOGIN_REQUIRED, CONSENT_REQUIRED, INTERACTION_REQUIRED})
_SERVER_ERRORS: Final = 500


async def report_refusal(
    request: Request,
    services: OAuth2Services,
    error: OAuthError | HttpError,
    *,
    client: Client | None = None,
    client_id: str | None = None,
    user: Mapping[str, object] | None = None,
    offered: str | None = None,
    listed: Sequence[str] | None = None,
) -> None:
    """Write a refusal to the log and the audit events. `client` is the one it was about, authenticated or not.

    `user` is who is signed in, if that is known already, `client_id` what the request said, `offered` the address it
    brought, if that is what is wrong, and `listed` those it could have brought (otherwise the redirect URIs). Of a JWT
    that is meant for somebody else, its audience stands in their place.
    """
    if isinstance(error, HttpError) and error.status >= _SERVER_ERRORS:
        return
    if error.code in _USUAL or (error.code in _USUAL_WITHOUT_REASON and not error.reason):
        return
    if isinstance(error, HttpError):
        user = await _on_a_page(request, services, error, user)
    if listed is None:
        listed = () if client is None else [entry.url for entry in client.provider.redirect_uris]
    if isinstance(error.__cause__, BadAudience):
        offered, listed = error.__cause__.named, error.__cause__.accepted
    item = Refusal(
        where=request.path,
        error=error.code,
        reason=_reason(error),
        address=request.client,
        request_id=request.request_id,
        client_id=client_id or (error.client_id if isinstance(error, OAuthError) else None),
        client=None if client is None else application(client),
        user=error.user if user is None else user,
        named=user is None,
        proven=client is not None and not client.public and error.code != INVALID_CLIENT and user is None,
        offered=offered,
        nearest=None if offered is None else nearest_of(offered, listed),
        trace=error.trace,
        app=APP,
        logger="ostiary.oauth2",
    )
    await services.refusals.record(services.database, item, now=services.clock())


async def _on_a_page(
    request: Request, services: OAuth2Services, error: HttpError, user: Mapping[str, object] | None
) -> Mapping[str, object] | None:
    """Return who is signed in, for an error that a person gets to see, and name them on its page."""
    error.recorded = True
    if user is None:
        try:
            session = await services.sessions.read(request, services.clock())
        except StoreError:
            session = None  # what is wrong with the request is told all the same
        user = session.who if session is not None and session.user is not None else None
    if user is not None:
        error.account = error.account or str(user.get("username", ""))
    return user


async def report_foreign_token(request: Request, services: OAuth2Services, client: Client, *, provider: int) -> None:
    """Write to log and events that a client asked about a token of another one: its answer says "unknown"."""
    owner = client_by_provider(services.plane.snapshot, provider)
    name = "that is not served" if owner is None else owner.application.name
    error = OAuthError(INVALID_TOKEN, f"the token was issued to another application, {name}")
    await report_refusal(request, services, error, client=client)


def nearest_of(offered: str, listed: Sequence[str]) -> str | None:
    """Return the listed address that begins and ends most like the one in a request."""
    return max(listed, key=lambda url: _likeness(offered, url), default=None)


def _likeness(one: str, other: str) -> int:
    """Return how many characters are the same at both ends: cheap, as strangers decide what is compared."""
    return sum(
        sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
        for first, second in ((one, other), (one[::-1], other[::-1]))
    )


def application(client: Client) -> Mapping[str, object]:
    """Return what names a client and its application."""
    item = client.application
    return {
        "pk": str(item.pk),
        "name": item.name,
        "slug": item.slug,
        "client_id": client.provider.client_id,
        "provider": client.pk,
    }


def _reason(error: OAuthError | HttpError) -> str:
    return error.reason or (error.message if isinstance(error, HttpError) else error.description)
