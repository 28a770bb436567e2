"""Refusals of the protocol, for the log and the audit events: which client, which person, why, and the request."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from ostiary.events.refusals import Refusal
from ostiary.proto.oauth2.errors import (
    AUTHORIZATION_PENDING,
    CONSENT_REQUIRED,
    INTERACTION_REQUIRED,
    INVALID_CLIENT,
    LOGIN_REQUIRED,
    SLOW_DOWN,
    USE_DPOP_NONCE,
    OAuthError,
)
from ostiary.providers.oauth2.audit_events import APP
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request

# What clients ask again and again for, as the protocol wants it: no refusal that anybody looks for.
_USUAL: Final = frozenset(
    {
        *(AUTHORIZATION_PENDING, SLOW_DOWN, USE_DPOP_NONCE),
        *(LOGIN_REQUIRED, CONSENT_REQUIRED, INTERACTION_REQUIRED),
    }
)
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
) -> None:
    """Write a refusal to the log and the audit events. `client` is the one it was about, authenticated or not.

    `client_id` is what the request said, `offered` the address it brought, if that is what is wrong.
    """
    if isinstance(error, HttpError) and error.status >= _SERVER_ERRORS:
        return
    if error.code in _USUAL:
        return
    item = Refusal(
        where=request.path,
        error=error.code,
        reason=_reason(error),
        address=request.client,
        request_id=request.request_id,
        client_id=client_id or (error.client_id if isinstance(error, OAuthError) else None),
        client=None if client is None else application(client),
        user=user,
        proven=client is not None and not client.public and error.code != INVALID_CLIENT and user is None,
        offered=offered,
        nearest=None if offered is None or client is None else nearest_listed(offered, client),
        trace=error.trace,
        app=APP,
        logger="ostiary.oauth2",
    )
    await services.refusals.record(services.database, item, now=services.clock())


def nearest_listed(offered: str, client: Client) -> str | None:
    """Return the listed redirect URI or pattern that begins and ends most like the one in a request."""
    listed = [entry.url for entry in client.provider.redirect_uris]
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
    return error.message if isinstance(error, HttpError) else error.reason or error.description
