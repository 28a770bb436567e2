"""Refresh tokens: rotation, the grace period for lost responses, and reuse detection (RFC 9700 4.14).

Each use issues a successor. It is derived from the token and a key of the installation, so that only hashes need to be
stored. A token is presented twice if a response was lost, or if two processes of a client share it. Within `GRACE`, and
until its successor has been used, it yields the same successor again. Any other second use means that two parties have
the token, and revokes the family. A change of the installation's key creates siblings; only the first one used stays
valid.
"""

from __future__ import annotations

import enum
import hmac
from collections.abc import Mapping
from typing import Final, cast

from ostiary.grants.access_tokens import AccessToken, insert_access
from ostiary.grants.binding import UNBOUND, Binding
from ostiary.grants.errors import Raced
from ostiary.grants.family import Authorization, load_authorization, lock_family
from ostiary.proto.jose import base64url_encode
from ostiary.record import dataclass
from ostiary.resource.codec import decode
from ostiary.store.database import Batch, Database, Guard, Row, Statement, fetch_one

GRACE: Final = 10_000_000  # microseconds


_BLOCKS: Final = 2  # of SHA-512
_LENGTH: Final = 96  # octets: 768 bits, 128 characters


class Use(enum.Enum):
    """The kind of use of a presented token."""

    FIRST = "first"
    AGAIN = "again"  # within the grace
    REUSED = "reused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRefresh:
    """A new refresh token. `expires` is in microseconds UTC."""

    hash: bytes
    expires: int
    binding: Binding = UNBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """A stored refresh token with its family. Times are in microseconds UTC."""

    hash: bytes
    authorization: Authorization
    issued: int
    expires: int
    rotated: int | None
    succeeded: bool  # one of its successors has been used
    overtaken: bool  # one of its siblings has been used
    binding: Binding = UNBOUND

    def use(self, now: int) -> Use:
        """Classify a use of the token at `now`."""
        if self.expires <= now:
            return Use.EXPIRED
        if self.overtaken:
            return Use.REUSED
        if self.rotated is None:
            return Use.FIRST
        # guard: A19 after the grace the old token ends the family
        return Use.AGAIN if not self.succeeded and now - self.rotated <= GRACE else Use.REUSED


def successor(token: str, *, key: bytes) -> str:
    """Return the successor of a token: deterministic, and unpredictable without both the token and the key.

    HKDF-Expand of RFC 5869 2.3 with SHA-512 and the token as `info`, base64url.
    """
    # guard: A19 a refresh token's successor is derived with a secret key
    output = block = b""
    for number in range(1, _BLOCKS + 1):
        block = hmac.digest(key, block + b"refresh successor " + token.encode() + bytes([number]), "sha512")
        output += block
    return base64url_encode(output[:_LENGTH])


async def find_refresh(database: Database, token_hash: bytes) -> RefreshToken | None:
    """Return the token with that hash, with its family, or None. One round trip."""
    row = await fetch_one(
        database,
        "SELECT r.issued, r.expires, r.rotated, r.jkt, r.x5t, f.id, f.provider, f.user_pk, f.session, f.offline, "
        "f.body, (SELECT COUNT(*) FROM refresh_token c WHERE c.family = r.family AND c.parent = r.hash "
        "AND c.rotated IS NOT NULL) AS succeeded, "
        "(SELECT COUNT(*) FROM refresh_token s WHERE s.family = r.family AND s.parent = r.parent "
        "AND s.hash <> r.hash AND s.rotated IS NOT NULL) AS overtaken "
        "FROM refresh_token r JOIN grant_family f ON f.id = r.family WHERE r.hash = ?",
        token_hash,
    )
    return None if row is None else _load(token_hash, row)


def store_first_tokens(
    authorization: Authorization, *, access: AccessToken, refresh: NewRefresh | None, expires: int
) -> Batch[None]:
    """Store the first tokens of a family. Raises GrantGone if its session has ended or its code was replayed."""
    yield lock_family(authorization, expires=expires)
    yield insert_access(access)
    if refresh is not None:
        yield _insert(authorization, refresh, parent=None, now=access.issued)


def rotate(token: RefreshToken, *, use: Use, access: AccessToken, refresh: NewRefresh, now: int) -> Batch[None]:
    """Store the tokens of a refresh and rotate the used one. Raises Raced if its state has changed."""
    yield lock_family(token.authorization, expires=max(refresh.expires, access.expires), gone=Raced)
    yield _retire(token, now) if use is Use.FIRST else _still_in_grace(token, now)
    yield insert_access(access)
    yield _insert(token.authorization, refresh, parent=token.hash, now=now, again=use is Use.AGAIN)


def store_without_rotation(token: RefreshToken, *, access: AccessToken) -> Batch[None]:
    """Store the access token of a refresh without rotation. Raises Raced if the token's state has changed."""
    yield lock_family(token.authorization, expires=access.expires, gone=Raced)
    yield Statement(
        "UPDATE refresh_token SET rotated = NULL WHERE hash = ? AND rotated IS NULL", (token.hash,), Guard(Raced)
    )
    yield insert_access(access)


def revoke_family(family: str) -> Batch[None]:
    """Revoke a family: its code, its refresh tokens and its access tokens."""
    yield Statement("DELETE FROM grant_family WHERE id = ?", (family,))
    yield Statement("DELETE FROM refresh_token WHERE family = ?", (family,))
    # guard: A09 a replay revokes the tokens of the first use
    yield Statement("DELETE FROM access_token WHERE family = ?", (family,))


def _retire(token: RefreshToken, now: int) -> Statement:
    # guard: A19 of sibling refresh tokens only the first used stays valid
    # guard: A19 of concurrent uses only one rotates the token
    return Statement(
        "UPDATE refresh_token SET rotated = ? WHERE hash = ? AND rotated IS NULL AND NOT EXISTS ("
        "SELECT 1 FROM refresh_token s WHERE s.family = refresh_token.family AND s.parent = refresh_token.parent "
        "AND s.rotated IS NOT NULL)",
        (now, token.hash),
        Guard(Raced),
    )


def _still_in_grace(token: RefreshToken, now: int) -> Statement:
    return Statement(
        "UPDATE refresh_token SET rotated = rotated WHERE hash = ? AND rotated >= ? AND NOT EXISTS ("
        "SELECT 1 FROM refresh_token c WHERE c.family = refresh_token.family AND c.parent = refresh_token.hash "
        "AND c.rotated IS NOT NULL)",
        (token.hash, now - GRACE),
        Guard(Raced),
    )


def _insert(
    authorization: Authorization, token: NewRefresh, *, parent: bytes | None, now: int, again: bool = False
) -> Statement:
    """Return the statement that stores a token. One that is issued `again`, in the grace period, may already exist."""
    return Statement(
        "INSERT INTO refresh_token (hash, family, parent, user_pk, session, issued, expires, rotated, jkt, x5t) "
        f"VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?, ?){' ON CONFLICT (hash) DO NOTHING' if again else ''}",
        (
            token.hash,
            authorization.family,
            parent,
            authorization.user,
            None if authorization.offline else authorization.session,
            now,
            token.expires,
            token.binding.jkt,
            token.binding.x5t,
        ),
    )


def _load(token_hash: bytes, row: Row) -> RefreshToken:
    return RefreshToken(
        hash=token_hash,
        authorization=load_authorization(
            cast("Mapping[str, object]", decode(cast("str", row["body"]))),
            family=cast("str", row["id"]),
            provider=cast("int", row["provider"]),
            user=cast("int", row["user_pk"]),
            session=cast("bytes | None", row["session"]),
            offline=bool(row["offline"]),
        ),
        issued=cast("int", row["issued"]),
        expires=cast("int", row["expires"]),
        rotated=cast("int | None", row["rotated"]),
        succeeded=bool(row["succeeded"]),
        overtaken=bool(row["overtaken"]),
        binding=Binding(cast("str | None", row["jkt"]), cast("str | None", row["x5t"])),
    )
