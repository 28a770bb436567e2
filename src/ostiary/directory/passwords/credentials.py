"""Passwords of users: verification and changes."""

from __future__ import annotations

import secrets

from ostiary.directory.passwords.hash_queue import INTERNAL, Requester
from ostiary.directory.passwords.pool import UNUSABLE, Passwords
from ostiary.directory.user import User
from ostiary.events.event import event
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Statement


class Credentials:
    """The passwords of users. A verification takes the same time for an unknown user."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def verify(self, user: User | None, text: Secret, requester: Requester = INTERNAL) -> bool:
        """Return whether a text is the user's password. An outdated hash is replaced.

        The user may be inactive: this is not checked. Raises PasswordTooLong and Busy.
        """
        if user is None:
            # guard: A42 an unknown user name costs a hash
            await self._passwords.verify(text, "", requester)
            return False
        verified = await self._passwords.verify(text, user.password, requester)
        if verified.ok and verified.upgrade is not None:
            upgrade = verified.upgrade
            await self._database.write(lambda: _renew(user, upgrade))
        return verified.ok

    async def setting(
        self, user: User, text: Secret, *, now: int, by: User | None = None, client_ip: str | None = None
    ) -> tuple[Statement, Statement]:
        """Return the statements that set a password and write its event. Raises PasswordTooLong and Busy."""
        hashed = await self._passwords.hash(text)
        audit_event = event(
            "password_set",
            user=(by or user).who,
            app="authentik.core",
            context={"user": user.who},
            client_ip=client_ip,
            now=now,
        )
        return set_hash(user.pk, hashed, now=now), audit_event


def unusable() -> str:
    """Return an unusable password hash, for a user without a password. It is random and matches no password."""
    return UNUSABLE + secrets.token_hex(20)


def set_hash(pk: int, hashed: str, *, now: int) -> Statement:
    """Return the statement that stores a password hash."""
    return Statement(
        "UPDATE directory_user SET password = ?, password_change_date = ?, last_updated = ?,"
        " security_stamp = security_stamp + 1 WHERE pk = ?",
        (hashed, now, now, pk),
    )


def make_unusable(user: User, *, now: int) -> Statement:
    """Return the statement that makes a user's password unusable, unless it was changed meanwhile.

    The date of the password stays: it tells how old it was.
    """
    return Statement(
        "UPDATE directory_user SET password = ?, last_updated = ?, security_stamp = security_stamp + 1"
        " WHERE pk = ? AND password = ?",
        (unusable(), now, user.pk, user.password),
    )


def _renew(user: User, upgrade: str) -> Batch[None]:
    # Only the verified hash is replaced: the password may have changed meanwhile.
    yield Statement(
        "UPDATE directory_user SET password = ? WHERE pk = ? AND password = ?", (upgrade, user.pk, user.password)
    )
