"""Access tokens at our own API (RFC 6750): whom one speaks for there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import AccessToken, find_access
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.tokens.access_token_format import is_meant_here
from ostiary.store.hashing import token_hash
from ostiary.web.errors import Forbidden

if TYPE_CHECKING:
    from ostiary.seal import Secret
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database

API_SCOPE: Final = "goauthentik.io/api"
"""The scope that lets an access token use the API."""


async def find_api_user(database: Database, plane: ConfigPlane, key: Secret, now: int) -> int | None:
    """Return the user for whom a bearer token speaks at the API; None for a token that nobody has.

    A token that is bound to a key is no bearer token (RFC 9449 7.2). `now` in microseconds UTC. Raises Forbidden, as
    for an unknown token, with a reason for the log.
    """
    text = key.reveal()
    token = await find_access(database, token_hash(text), now=now)
    if token is None:
        return None
    client = client_by_provider(plane.snapshot, token.provider)
    why = _why_not(text, token)
    # guard: A16 the API refuses tokens of a deleted client
    if client is not None and why is None:
        return token.user
    refusal = Forbidden("authentication_failed", "Token invalid/expired")
    name = "an application that is not served" if client is None else client.application.name
    refusal.reason = f"an access token of {name} that may not use the API: {why or 'its application is gone'}"
    raise refusal


def _why_not(text: str, token: AccessToken) -> str | None:
    """Return why a token is none for our API, None for one that is."""
    if API_SCOPE not in token.scope:
        return f"it lacks the scope {API_SCOPE}"
    if token.binding:
        return "it is bound to a key"
    # guard: A16 the API accepts only tokens with its audience
    return None if is_meant_here(text, token) else "it is meant for another resource"
