"""The password history: hashes of earlier passwords, stored while a policy compares new ones with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ostiary.directory.errors import Busy, NoMemory, PasswordTooLong
from ostiary.policies.errors import NotAvailable
from ostiary.seal import Secret
from ostiary.store.database import Statement
from ostiary.store.migrations import Migration

if TYPE_CHECKING:
    from ostiary.directory.passwords.pool import Passwords
    from ostiary.directory.user import User
    from ostiary.store.database import Database

_H: Final = "policies_password_history"

HISTORY: Final = Migration(
    number=111,
    room="policies",
    title="password history",
    statements=(
        # `password` is a hash, as in `directory_user`.
        f"""CREATE TABLE {_H} (
            user_pk {{int}} NOT NULL,
            created {{int}} NOT NULL,
            password {{text}} NOT NULL,
            PRIMARY KEY (user_pk, created)
        )""",
    ),
)


class PasswordHistory:
    """The history. `depth` returns the number of hashes to keep per user; 0 keeps none."""

    def __init__(self, database: Database, passwords: Passwords, *, depth: Callable[[], int]) -> None:
        self._database = database
        self._passwords = passwords
        self._depth = depth

    async def contains(self, user: User, password: str, *, depth: int) -> bool:
        """Return whether a password is the user's present one, or one of the last `depth`.

        Each comparison computes a hash. Raises NotAvailable when the password queue is full.
        """
        rows = await self._database.fetch(
            f"SELECT password FROM {_H} WHERE user_pk = ? ORDER BY created DESC LIMIT {depth:d}", user.pk
        )
        stored = dict.fromkeys([user.password] if user.has_password else [])
        stored |= dict.fromkeys(str(row["password"]) for row in rows)
        try:
            for one in stored:
                if (await self._passwords.verify(Secret(password), one)).ok:
                    return True
        except PasswordTooLong:
            return False  # nobody has such a password
        except (Busy, NoMemory) as error:
            raise NotAvailable(str(error)) from None
        return False

    def changed(self, user: int, now: int) -> Iterable[Statement]:
        """Yield the statements that add the user's new hash in this transaction, and delete old ones.

        For a user deleted in it, all hashes are deleted.
        """
        depth = self._depth()
        yield Statement(
            f"DELETE FROM {_H} WHERE user_pk = ? AND (NOT EXISTS (SELECT 1 FROM directory_user WHERE pk = ?)"
            f" OR created NOT IN (SELECT created FROM {_H} WHERE user_pk = ? ORDER BY created DESC LIMIT ?))",
            (user, user, user, max(depth - 1, 0)),
        )
        if depth:
            yield Statement(
                f"INSERT INTO {_H} (user_pk, created, password) SELECT pk, CAST(? AS BIGINT), password"
                " FROM directory_user WHERE pk = ? AND password NOT LIKE '!%'"
                f" AND NOT EXISTS (SELECT 1 FROM {_H} AS h WHERE h.user_pk = directory_user.pk"
                " AND h.password = directory_user.password)",
                (now, user),
            )
