"""The first-run set-up: its link for the first administrator, and the flag that closes it for good."""

from __future__ import annotations

from typing import Final

from ostiary.directory.errors import SetupClosed
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Guard, Statement, fetch_one
from ostiary.store.hashing import new_token, token_hash

LINK_LIFETIME: Final = 86_400_000_000  # microseconds: 24 hours
LINK_BITS: Final = 128


class Setup:
    """The state of the set-up in one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def closed(self) -> bool:
        """Return whether the set-up is closed: there is a first administrator. It never opens again."""
        row = await fetch_one(self._database, "SELECT setup_closed FROM directory_install WHERE one = 1")
        return row is None or bool(row["setup_closed"])

    async def hosts_open(self) -> bool:
        """Return whether any host is served: the installation is older than pinned hosts, and none was pinned since."""
        row = await fetch_one(self._database, "SELECT hosts_open FROM directory_install WHERE one = 1")
        return row is not None and bool(row["hosts_open"])

    async def close_hosts(self) -> None:
        """Serve only pinned hosts from now on, even if all of them are unpinned later."""
        await self._database.write(_close_hosts)

    async def new_link_token(self, now: int) -> Secret:
        """Return the token of a new link, which is valid for 24 hours and replaces earlier ones. Raises SetupClosed."""
        token = Secret(new_token(LINK_BITS))
        await self._database.write(lambda: _store_link(token_hash(token.reveal()), now))
        return token

    async def is_valid_link(self, token: Secret, now: int) -> bool:
        """Return whether a token is that of the current link, and the link is still valid."""
        row = await fetch_one(
            self._database,
            "SELECT one FROM directory_install"
            " WHERE one = 1 AND setup_closed = 0 AND setup_hash = ? AND setup_expires > ?",
            token_hash(token.reveal()),
            now,
        )
        return row is not None


def close(now: int, *, token: Secret | None) -> Statement:
    """Return the statement that closes the set-up. Only one transaction can succeed, others raise SetupClosed.

    With a token, its link must be valid. The statement belongs in the transaction that creates the administrator.
    """
    if token is None:
        return Statement(
            "UPDATE directory_install SET setup_closed = 1, setup_hash = NULL, setup_expires = 0"
            " WHERE one = 1 AND setup_closed = 0",
            guard=Guard(SetupClosed),
        )
    # guard: A39 the set-up wizard closes once there is an administrator
    return Statement(
        "UPDATE directory_install SET setup_closed = 1, setup_hash = NULL, setup_expires = 0"
        " WHERE one = 1 AND setup_closed = 0 AND setup_hash = ? AND setup_expires > ?",
        (token_hash(token.reveal()), now),
        guard=Guard(SetupClosed),
    )


def _close_hosts() -> Batch[None]:
    yield Statement("UPDATE directory_install SET hosts_open = 0 WHERE one = 1")


def _store_link(hashed: bytes, now: int) -> Batch[None]:
    yield Statement(
        "UPDATE directory_install SET setup_hash = ?, setup_expires = ? WHERE one = 1 AND setup_closed = 0",
        (hashed, now + LINK_LIFETIME),
        guard=Guard(SetupClosed),
    )
