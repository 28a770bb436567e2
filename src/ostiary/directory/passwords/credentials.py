"""Passwords of users: is it right, and the statements that set one."""

from __future__ import annotations

import secrets

from ostiary.directory.passwords.hash_queue import OURSELVES, Asker
from ostiary.directory.passwords.pool import UNUSABLE, Passwords
from ostiary.directory.user import User
from ostiary.events import event
from ostiary.seal import Secret
from ostiary.store.database import Batch, Database, Statement


class Credentials:
    """The passwords of the directory. Unknown users cost what known ones cost."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self._database = database
        self._passwords = passwords

    async def check(self, user: User | None, text: Secret, asker: Asker = OURSELVES) -> bool:
        """Tell whether this is the user's password; a stored hash that is out of date is renewed.

        Raises PasswordTooLong and Busy. Whether the user is active is not asked here.
        """
        if user is None:
            # guard: A42 an unknown name costs a hash
            await self._passwords.verify(text, "", asker)
            return False
        found = await self._passwords.verify(text, user.password, asker)
        if found.ok and found.upgrade is not None:
            upgrade = found.upgrade
            await self._database.write(lambda: _renew(user, upgrade))
        return found.ok

    async def setting(
        self, user: User, text: Secret, *, now: int, by: User | None = None, client_ip: str | None = None
    ) -> tuple[Statement, Statement]:
        """Return the statements that set a password and tell it. Raises PasswordTooLong and Busy."""
        hashed = await self._passwords.hash(text)
        told = event(
            "password_set",
            user=(by or user).who,
            app="authentik.core",
            context={"user": user.who},
            client_ip=client_ip,
            now=now,
        )
        return set_hash(user.pk, hashed, now=now), told


def unusable() -> str:
    """Return what is kept for a user who has no password: never right, and different each time."""
    return UNUSABLE + secrets.token_hex(20)


def set_hash(pk: int, hashed: str, *, now: int) -> Statement:
    """Return the statement that keeps a new password hash."""
    return Statement(
        "UPDATE directory_user SET password = ?, password_change_date = ?, last_updated = ?,"
        " security_stamp = security_stamp + 1 WHERE pk = ?",
        (hashed, now, now, pk),
    )


def _renew(user: User, upgrade: str) -> Batch[None]:
    # Only over the hash that was verified: a password changed meanwhile stays.
    yield Statement(
        "UPDATE directory_user SET password = ? WHERE pk = ? AND password = ?", (upgrade, user.pk, user.password)
    )
