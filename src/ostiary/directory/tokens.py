"""Tokens of users: API tokens, app passwords and recovery links.

Keys are stored as SHA-256. Only api and app_password tokens have a sealed copy of their key, because authentik's
interface can show it again.
"""

from __future__ import annotations

import secrets
import string
import uuid
from contextlib import suppress
from dataclasses import field
from functools import partial
from typing import Final, cast

from ostiary.directory.user import User
from ostiary.directory.users import COLUMNS as USER_COLUMNS
from ostiary.directory.users import user_of
from ostiary.events.event import event
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Database, Guard, Row, Statement, fetch_one
from ostiary.store.hashing import token_hash
from ostiary.store.sweeping import bite
from ostiary.store.workspace.commit import run

MINUTE: Final = 60_000_000
LIFETIME: Final = 1440 * MINUTE  # the default for expiring tokens
KEY_LENGTH: Final = 60
SHOWN_AGAIN: Final = frozenset({"api", "app_password"})
_LETTERS: Final = string.ascii_letters + string.digits

COLUMNS: Final = (
    "pk, identifier, intent, user_pk, description, managed, expiring, expires, key_hash, key_sealed, without_mfa"
)
_OF_T: Final = ", ".join(f"t.{name.strip()} AS token_{name.strip()}" for name in COLUMNS.split(","))
_OF_U: Final = ", ".join(f"u.{name.strip()} AS {name.strip()}" for name in USER_COLUMNS.split(","))

BEARER: Final = (
    f"SELECT {_OF_T}, {_OF_U} FROM directory_token AS t JOIN directory_user AS u ON u.pk = t.user_pk"
    " WHERE t.key_hash = ?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its key. Times are in microseconds UTC."""

    pk: str
    identifier: str
    intent: str
    user: int
    description: str = ""
    managed: str | None = None
    expiring: bool = True
    expires: int | None = None
    key_hash: bytes = field(repr=False)
    key_sealed: str | None = field(repr=False, default=None)
    without_mfa: bool = False

    def alive(self, now: int) -> bool:
        """Return whether the token has not expired. An `expiring` token without a time counts as expired."""
        return not self.expiring or (self.expires is not None and now < self.expires)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token and the user it authenticates."""

    token: Token
    user: User


@dataclass(frozen=True, slots=True)
class Recovery:
    """The result of a consumed recovery link."""

    user: int
    without_mfa: bool
    security_stamp: int = field(default=0, compare=False)  # the user's, at the time of the recovery


def new_key() -> Secret:
    """Return a random key of 60 letters and digits."""
    return Secret("".join(secrets.choice(_LETTERS) for _ in range(KEY_LENGTH)))


def seal_key(sealer: Sealer, pk: str, key: Secret) -> str:
    """Return the sealed copy of a key, bound to its token."""
    return sealer.seal(key.reveal().encode(), context=_context(pk))


def open_key(sealer: Sealer, token: Token) -> Secret | None:
    """Return the key of a token, or None if it has no sealed copy."""
    if token.key_sealed is None:
        return None
    return Secret(sealer.open(token.key_sealed, context=_context(token.pk)).decode())


class Tokens:
    """The tokens of one database."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer

    async def bearer(self, key: Secret, now: int, *, intent: str = "api") -> Bearer | None:
        """Return the bearer of a key: a valid token with that intent, of an active user. One query."""
        row = await fetch_one(self._database, BEARER, token_hash(key.reveal()))
        if row is None:
            return None
        bearer = Bearer(token_of(row, "token_"), user_of(row))
        # guard: A20 a recovery link needs a token with that intent
        # guard: A58 an API token works for an active user only
        valid = bearer.token.intent == intent and bearer.token.alive(now) and bearer.user.is_active
        return bearer if valid else None

    async def app_password(self, user: int, key: Secret, now: int) -> bool:
        """Return whether a key is a valid app password of a user."""
        bearer = await self.bearer(key, now, intent="app_password")
        return bearer is not None and bearer.user.pk == user

    async def get(self, identifier: str) -> Token | None:
        """Return the token with that identifier."""
        row = await fetch_one(self._database, f"SELECT {COLUMNS} FROM directory_token WHERE identifier = ?", identifier)
        return token_of(row) if row is not None else None

    def reveal(self, token: Token) -> Secret | None:
        """Return the key of an api or app_password token. The caller must write the event `secret_view`."""
        return open_key(self._sealer, token)

    async def consume_recovery(self, key: Secret, now: int) -> Recovery | None:
        """Consume a recovery link. The first caller gets its user, every other one gets None.

        All other links of the user become invalid.
        """
        return await self._database.write(lambda: _consuming(token_hash(key.reveal()), now))

    async def expired_recovery(self, key: Secret) -> tuple[User, int] | None:
        """Return whose recovery link this was and when it expired, as long as that is known. Microseconds UTC."""
        row = await fetch_one(self._database, BEARER, token_hash(key.reveal()))
        if row is None:
            return None
        token = token_of(row, "token_")
        return (user_of(row), token.expires or 0) if token.intent == "recovery" else None

    async def rotate_expired(self, now: int) -> int:
        """Rotate the key of every expired api token and extend it by a day, as authentik does. Returns their number."""
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM directory_token WHERE intent = 'api' AND expiring = 1 AND expires <= ? LIMIT 500",
            now,
        )
        for row in rows:
            token, key = token_of(row), new_key()
            statements = _rotation(token, token_hash(key.reveal()), seal_key(self._sealer, token.pk, key), now=now)
            with suppress(_Rotated):
                await self._database.write(partial(run, statements))
        return len(rows)


def recovery_link(user: User, *, without_mfa: bool, now: int, minutes: int = 60) -> tuple[Secret, Statement]:
    """Return the key of a new recovery link, and the statement that stores its hash."""
    key = new_key()
    token = Token(
        pk=str(uuid.uuid4()),
        identifier=f"recovery-{uuid.uuid4()}",
        intent="recovery",
        user=user.pk,
        expires=now + minutes * MINUTE,
        key_hash=token_hash(key.reveal()),
        without_mfa=without_mfa,
    )
    return key, insert(token)


def end_recovery(user: int) -> Statement:
    """Return the statement that deletes the unused recovery links of a user."""
    return Statement("DELETE FROM directory_token WHERE user_pk = ? AND intent = 'recovery'", (user,))


def insert(token: Token) -> Statement:
    """Return the statement that inserts a token. Raises Duplicate for a taken identifier or key."""
    marks = "?, ?, ?, ?, ?, CAST(? AS TEXT), ?, CAST(? AS BIGINT), ?, CAST(? AS TEXT), ?"
    return Statement(f"INSERT INTO directory_token ({COLUMNS}) VALUES ({marks})", _row(token))


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired tokens, except api tokens, which are rotated."""
    condition = "expiring = 1 AND expires <= ? AND intent <> 'api'"
    return bite("directory_token", "pk", condition, now, order="expires")


def token_of(row: Row, prefix: str = "") -> Token:
    """Return the token of a row with `COLUMNS`. `prefix` is that of the column names."""
    return Token(
        pk=cast("str", row[f"{prefix}pk"]),
        identifier=cast("str", row[f"{prefix}identifier"]),
        intent=cast("str", row[f"{prefix}intent"]),
        user=cast("int", row[f"{prefix}user_pk"]),
        description=cast("str", row[f"{prefix}description"]),
        managed=cast("str | None", row[f"{prefix}managed"]),
        expiring=bool(row[f"{prefix}expiring"]),
        expires=cast("int | None", row[f"{prefix}expires"]),
        key_hash=cast("bytes", row[f"{prefix}key_hash"]),
        key_sealed=cast("str | None", row[f"{prefix}key_sealed"]),
        without_mfa=bool(row[f"{prefix}without_mfa"]),
    )


def _row(token: Token) -> tuple[str | int | bytes | None, ...]:
    return (
        token.pk,
        token.identifier,
        token.intent,
        token.user,
        token.description,
        token.managed,
        int(token.expiring),
        token.expires if token.expiring else None,
        token.key_hash,
        token.key_sealed,
        int(token.without_mfa),
    )


def _consuming(hashed: bytes, now: int) -> Batch[Recovery | None]:
    # guard: A31 a recovery link expires
    rows = yield Statement(
        "DELETE FROM directory_token WHERE key_hash = ? AND intent = 'recovery' AND expires > ?"
        " RETURNING user_pk, without_mfa",
        (hashed, now),
    )
    if not len(rows):
        return None
    user = cast("int", rows[0]["user_pk"])
    # guard: A73 a new recovery link ends the earlier ones
    yield end_recovery(user)
    stamps = yield Statement("SELECT security_stamp FROM directory_user WHERE pk = ?", (user,))
    stamp = cast("int", stamps[0]["security_stamp"]) if len(stamps) else -1
    return Recovery(user, bool(rows[0]["without_mfa"]), stamp)


def _rotation(token: Token, hashed: bytes, sealed: str, *, now: int) -> tuple[Statement, Statement]:
    return (
        Statement(
            "UPDATE directory_token SET key_hash = ?, key_sealed = ?, expires = ? WHERE pk = ? AND expires <= ?",
            (hashed, sealed, now + LIFETIME, token.pk, now),
            guard=Guard(_Rotated),
        ),
        event(
            "secret_rotate",
            user=None,
            app="authentik.core",
            context={
                "model": {"app": "authentik_core", "model_name": "token", "pk": token.pk, "name": token.identifier}
            },
            client_ip=None,
            now=now,
        ),
    )


class _Rotated(Exception):
    """Another worker has rotated the token."""


def _context(pk: str) -> str:
    return f"authentik_core.token/{pk}/key"
