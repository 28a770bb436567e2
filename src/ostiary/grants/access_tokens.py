"""Access tokens. They are stored by hash, so that a revocation takes effect at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, Final, cast

from ostiary.grants.binding import UNBOUND, Binding
from ostiary.record import dataclass
from ostiary.resource.codec import decode, encode_canonical
from ostiary.seal import Secret
from ostiary.store.database import Database, Statement, fetch_one

_FIND: Final = (
    "SELECT family, provider, user_pk, session, scope, issued, expires, body, jkt, x5t FROM access_token "
    "WHERE hash = ? AND expires > ?"
)
_FIND_ACTIVE: Final = (
    f"{_FIND} AND EXISTS (SELECT 1 FROM directory_user u WHERE u.pk = access_token.user_pk AND u.is_active = 1)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A valid access token. Times are in microseconds UTC."""

    hash: bytes
    family: str | None
    provider: int
    user: int
    session: bytes | None
    scope: tuple[str, ...]
    issued: int
    expires: int
    body: Mapping[str, object] = field(default_factory=dict)  # claims that are not in the token itself
    binding: Binding = UNBOUND


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """The verification of access tokens for our own API, provided by the room that issues them.

    `user_of` gets a bearer token and the time in microseconds UTC. It returns the number of the user that the token
    authenticates, or None.
    """

    user_of: Callable[[Secret, int], Awaitable[int | None]]


def insert_access(token: AccessToken) -> Statement:
    """Return the statement that stores a token."""
    return Statement(
        "INSERT INTO access_token (hash, family, provider, user_pk, session, scope, issued, expires, body, jkt, x5t) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            token.hash,
            token.family,
            token.provider,
            token.user,
            token.session,
            " ".join(token.scope),
            token.issued,
            token.expires,
            encode_canonical(token.body) if token.body else "",
            token.binding.jkt,
            token.binding.x5t,
        ),
    )


async def find_access(
    database: Database, token_hash: bytes, *, now: int, of_active: bool = False
) -> AccessToken | None:
    """Return the token with that hash, or None if it is unknown, expired or revoked. One round trip.

    With `of_active`, the token of a disabled or deleted account counts as revoked. Use it if the user is not read: a
    token may be stored while its account is being disabled.
    """
    row = await fetch_one(database, _FIND_ACTIVE if of_active else _FIND, token_hash, now)
    if row is None:
        return None
    # A row of a shared read has one more column, its position.
    family, provider, user, session, scope, issued, expires, body, jkt, x5t, *_ = cast("tuple[Any, ...]", row)
    return AccessToken(
        hash=token_hash,
        family=family,
        provider=provider,
        user=user,
        session=session,
        scope=tuple(scope.split()),
        issued=issued,
        expires=expires,
        body=cast("Mapping[str, object]", decode(body)) if body else {},
        binding=UNBOUND if jkt is None and x5t is None else Binding(jkt, x5t),
    )


def revoke_access(token_hash: bytes, *, provider: int) -> Statement:
    """Return the statement that revokes a token of that provider. For its derived tokens see `derived_tokens`."""
    # guard: A16 a client can revoke only its own tokens
    return Statement("DELETE FROM access_token WHERE hash = ? AND provider = ?", (token_hash, provider))
