"""The bootstrap settings: the administrator and API token of an automated installation, applied once."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Final

from ostiary.directory.errors import SetupClosed
from ostiary.directory.first_run.administrator import DEFAULT_EMAIL, create_administrator, ensure_administrator
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.tokens import Token, insert, seal_key
from ostiary.record import dataclass
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Database, Statement, fetch_one
from ostiary.store.hashing import token_hash

TOKEN_IDENTIFIER: Final = "authentik-bootstrap-token"  # noqa: S105 - its name


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """The bootstrap settings. None: not set."""

    password: Secret | None = None
    token: Secret | None = None
    email: str | None = None


async def apply_bootstrap(
    database: Database, passwords: Passwords, sealer: Sealer, *, settings: Bootstrap, now: int
) -> None:
    """Apply the bootstrap settings, unless they have been applied before.

    With a password, akadmin is created and the set-up closed for good; a closed set-up is left alone. A token becomes
    the key of `authentik-bootstrap-token`. Raises PasswordTooLong, Busy.
    """
    row = await fetch_one(database, "SELECT setup_closed, token_given FROM directory_install WHERE one = 1")
    email = settings.email or DEFAULT_EMAIL
    if settings.password and row is not None and not row["setup_closed"]:
        with suppress(SetupClosed):  # another process has closed it
            await create_administrator(
                database, passwords, email=email, password=settings.password, token=None, now=now
            )
    if settings.token and row is not None and not row["token_given"]:
        token = _token(settings.token, sealer, user=await ensure_administrator(database, email=email, now=now))
        await database.write(lambda: _giving(token))


def _token(key: Secret, sealer: Sealer, *, user: int) -> Token:
    pk = str(uuid.uuid4())
    return Token(
        pk=pk,
        identifier=TOKEN_IDENTIFIER,
        intent="api",
        user=user,
        expiring=False,
        key_hash=token_hash(key.reveal()),
        key_sealed=seal_key(sealer, pk, key),
    )


def _giving(token: Token) -> Batch[None]:
    first = yield Statement("UPDATE directory_install SET token_given = 1 WHERE one = 1 AND token_given = 0")
    taken = yield Statement(
        "SELECT 1 AS taken FROM directory_token WHERE identifier = ? OR key_hash = ?",
        (token.identifier, token.key_hash),
    )
    if first.count == 1 and not len(taken):
        yield insert(token)
