"""The roles of a user: direct ones, and those of all groups and ancestor groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from ostiary.store.database import Database

_ROLES: Final = """
WITH RECURSIVE reach (pk) AS (
    SELECT group_pk FROM directory_user_group WHERE user_pk = ?
    UNION
    SELECT p.parent_pk FROM reach JOIN directory_group_parent AS p ON p.child_pk = reach.pk
)
SELECT r.pk AS pk, r.name AS name FROM directory_role AS r
WHERE r.pk IN (SELECT role_pk FROM directory_user_role WHERE user_pk = ?)
   OR r.pk IN (SELECT l.role_pk FROM directory_group_role AS l JOIN reach ON reach.pk = l.group_pk)
ORDER BY r.name, r.pk"""


async def roles_of(database: Database, user: int) -> Sequence[tuple[str, str]]:
    """Return primary key and name of every role of a user, in order of name. One query."""
    rows = await database.fetch(_ROLES, user, user)
    return [(cast("str", row["pk"]), cast("str", row["name"])) for row in rows]
