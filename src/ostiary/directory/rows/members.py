"""The links between directory objects, such as memberships. Each is a table of pairs, written as a difference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from ostiary.directory.resources import GROUP
from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Pk, Problem
from ostiary.store.database import Guard, Statement


@dataclass(frozen=True, slots=True)
class Link:
    """A table of pairs. `own` is the column of the object at hand, `other` that of the linked one."""

    table: str
    own: str
    other: str


USER_GROUPS: Final = Link("directory_user_group", "user_pk", "group_pk")
GROUP_USERS: Final = Link("directory_user_group", "group_pk", "user_pk")
USER_ROLES: Final = Link("directory_user_role", "user_pk", "role_pk")
ROLE_USERS: Final = Link("directory_user_role", "role_pk", "user_pk")
GROUP_ROLES: Final = Link("directory_group_role", "group_pk", "role_pk")
ROLE_GROUPS: Final = Link("directory_group_role", "role_pk", "group_pk")
PARENTS: Final = Link("directory_group_parent", "child_pk", "parent_pk")
CHILDREN: Final = Link("directory_group_parent", "parent_pk", "child_pk")

_ABOVE: Final = """
WITH RECURSIVE above (pk) AS (
    SELECT parent_pk FROM directory_group_parent WHERE child_pk = ?
    UNION
    SELECT p.parent_pk FROM above JOIN directory_group_parent AS p ON p.child_pk = above.pk
)
SELECT 1 FROM above WHERE pk = ?"""


def changed(
    link: Link, pk: Pk, before: Mapping[str, object] | None, after: Mapping[str, object], *, field: str
) -> Iterator[Statement]:
    """Yield the statements for the keys that a change adds to and removes from a field."""
    before_keys, after_keys = _keys(before, field), _keys(after, field)
    for other in before_keys:
        if other not in after_keys:
            yield cut(link, pk, other)
    for other in after_keys:
        if other not in before_keys:
            yield join(link, pk, other)


def join(link: Link, pk: Pk, other: Pk) -> Statement:
    """Return the statement that links two objects, unless they are linked already."""
    return Statement(
        f"INSERT INTO {link.table} ({link.own}, {link.other}) VALUES (?, ?) ON CONFLICT DO NOTHING", (pk, other)
    )


def cut(link: Link, pk: Pk, other: Pk) -> Statement:
    """Return the statement that unlinks two objects."""
    return Statement(f"DELETE FROM {link.table} WHERE {link.own} = ? AND {link.other} = ?", (pk, other))


def cut_all(links: Iterable[Link], pk: Pk) -> Iterator[Statement]:
    """Yield the statements that remove all links of an object."""
    for link in links:
        yield Statement(f"DELETE FROM {link.table} WHERE {link.own} = ?", (pk,))


def parents(pk: str, before: Mapping[str, object] | None, after: Mapping[str, object]) -> Iterator[Statement]:
    """Yield the statements for a change of a group's parents. A cycle raises InvalidResource.

    Concurrent changes cannot build a cycle either.
    """
    before_keys, after_keys = _keys(before, "parents"), _keys(after, "parents")
    if set(before_keys) != set(after_keys):
        # Every change of the hierarchy updates this row: concurrent ones are serialized and cannot build a cycle.
        yield Statement("UPDATE directory_install SET hierarchy = hierarchy + 1 WHERE one = 1")
    for parent in before_keys:
        if parent not in after_keys:
            yield cut(PARENTS, pk, parent)
    for parent in after_keys:
        if parent not in before_keys:
            yield Statement(
                "INSERT INTO directory_group_parent (child_pk, parent_pk) SELECT CAST(? AS TEXT), CAST(? AS TEXT)"
                f" WHERE CAST(? AS TEXT) <> CAST(? AS TEXT) AND NOT EXISTS ({_ABOVE})",
                (pk, parent, pk, parent, parent, pk),
                guard=Guard(_cycle),
            )


def _cycle() -> InvalidResource:
    return InvalidResource(GROUP, [Problem("parents", "expected groups that are no descendants of this one")])


def _keys(values: Mapping[str, object] | None, field: str) -> Sequence[Pk]:
    return cast("Sequence[Pk]", (values or {}).get(field, ()))
