"""Access tokens at our own API (RFC 6750): whom one speaks for there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.access_tokens import find_access
from ostiary.providers.oauth2.provider.client import client_by_provider
from ostiary.providers.oauth2.tokens.access_token_format import is_meant_here
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.seal import Secret
    from ostiary.store.configuration.plane import ConfigPlane
    from ostiary.store.database import Database

API_SCOPE: Final = "goauthentik.io/api"
"""The scope that lets an access token use the API."""


async def find_api_user(database: Database, plane: ConfigPlane, key: Secret, now: int) -> int | None:
    """Return the user for whom a bearer token speaks at the API; None if it does not.

    A token that is bound to a key is no bearer token (RFC 9449 7.2). `now` in microseconds UTC.
    """
    text = key.reveal()
    token = await find_access(database, token_hash(text), now=now)
    if token is None or API_SCOPE not in token.scope or token.binding:
        return None
    served = client_by_provider(plane.snapshot, token.provider) is not None
    # guard: A16 the API accepts only tokens with its audience
    # guard: A16 the API refuses tokens of a deleted client
    return token.user if served and is_meant_here(text, token) else None
