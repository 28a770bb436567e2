"""Consents: the permissions that users granted to applications, one row per user and application."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from ostiary.resource import codec
from ostiary.store.database import Database, Statement, fetch_one
from ostiary.store.sweeping import expired


class Consents:
    """The repository of consents. `application` is the primary key of the application."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def given(self, user: int, application: str, *, now: int) -> frozenset[str] | None:
        """Return the permission ids that the user granted; None without a valid consent."""
        row = await fetch_one(
            self._database,
            "SELECT permissions FROM consent WHERE user_id = ? AND application = ?"
            " AND (expires IS NULL OR expires > ?)",
            user,
            application,
            now,
        )
        if row is None:
            return None
        return frozenset(cast("list[str]", codec.decode(cast("str", row["permissions"]))))


def keep(user: int, application: str, permissions: Iterable[str], *, now: int, expires: int | None) -> Statement:
    """Return the statement that stores a consent, replacing an earlier one. With `expires` None it never expires."""
    return Statement(
        "INSERT INTO consent (user_id, application, permissions, created, expires)"
        " VALUES (?, ?, ?, ?, CAST(? AS BIGINT))"
        " ON CONFLICT (user_id, application) DO UPDATE SET permissions = excluded.permissions,"
        " created = excluded.created, expires = excluded.expires",
        (user, application, codec.encode_canonical(sorted(set(permissions))), now, expires),
    )


def withdraw(user: int, applications: Sequence[str] = ()) -> Iterable[Statement]:
    """Return the statements that delete a user's consents for these applications, or for all."""
    if not applications:
        yield Statement("DELETE FROM consent WHERE user_id = ?", (user,))
    for application in applications:
        yield Statement("DELETE FROM consent WHERE user_id = ? AND application = ?", (user, application))


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired consents."""
    return expired("consent", "user_id, application", now)
