"""Access tokens: looked up by hash, so that taking one back works at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import cast

from ostiary.grants.binding import UNBOUND, Binding
from ostiary.record import dataclass
from ostiary.resource.codec import decode, encode_canonical
from ostiary.store.database import Database, Statement, fetch_one


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A token that is good now. Times in microseconds UTC."""

    hash: bytes
    family: str | None
    provider: int
    user: int
    session: bytes | None
    scope: tuple[str, ...]
    issued: int
    expires: int
    body: Mapping[str, object] = field(default_factory=dict)  # what the text given to the client does not tell
    binding: Binding = UNBOUND


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


async def find_access(database: Database, token_hash: bytes, *, now: int) -> AccessToken | None:
    """Return the token of that hash, None when it is unknown, expired or was taken back. One round trip."""
    row = await fetch_one(
        database,
        "SELECT family, provider, user_pk, session, scope, issued, expires, body, jkt, x5t FROM access_token "
        "WHERE hash = ? AND expires > ?",
        token_hash,
        now,
    )
    if row is None:
        return None
    return AccessToken(
        hash=token_hash,
        family=cast("str | None", row["family"]),
        provider=cast("int", row["provider"]),
        user=cast("int", row["user_pk"]),
        session=cast("bytes | None", row["session"]),
        scope=tuple(cast("str", row["scope"]).split()),
        issued=cast("int", row["issued"]),
        expires=cast("int", row["expires"]),
        body=cast("Mapping[str, object]", decode(cast("str", row["body"]))) if row["body"] else {},
        binding=Binding(cast("str | None", row["jkt"]), cast("str | None", row["x5t"])),
    )


def revoke_access(token_hash: bytes, *, provider: int) -> Statement:
    """Return the statement that takes back one token of that provider."""
    return Statement("DELETE FROM access_token WHERE hash = ? AND provider = ?", (token_hash, provider))
