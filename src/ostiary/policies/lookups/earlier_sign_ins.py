"""The last sign-ins of a user, from the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.store.database import Database


class EarlierSignIns:
    """The sign-ins in the audit log."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, user: int, number: int) -> list[tuple[int, str]]:
        """Return time (microseconds UTC) and address of a user's last sign-ins, the newest first."""
        rows = await self._database.fetch(
            "SELECT created, client_ip FROM event WHERE user_pk = ? AND action = 'login' AND client_ip IS NOT NULL"
            f" ORDER BY created DESC LIMIT {number:d}",
            user,
        )
        return [(int(row["created"]), str(row["client_ip"])) for row in rows]
