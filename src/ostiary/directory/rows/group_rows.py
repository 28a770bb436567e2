"""The mapping of groups and roles for the workspace: rows to values, changes to statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from ostiary.directory.resources import GroupKind, RoleKind
from ostiary.directory.rows import members
from ostiary.resource import codec
from ostiary.store.database import Batch, Conflict, Guard, Statement, Value
from ostiary.store.workspace.changes import Change, StoredObject

GROUP_KIND: Final = GroupKind.KIND
ROLE_KIND: Final = RoleKind.KIND
_LINKS: Final[Mapping[str, tuple[str, str, str]]] = {  # field: table, own column, other column
    "parents": ("directory_group_parent", "child_pk", "parent_pk"),
    "users": ("directory_user_group", "group_pk", "user_pk"),
    "roles": ("directory_group_role", "group_pk", "role_pk"),
}


def condition(name: str, value: object) -> tuple[str, Value] | None:
    """Return the SQL condition of a look-up, or None if the workspace has to compare."""
    return (f"g.{name} = ?", value) if name in {"pk", "name"} and isinstance(value, str) else None


def load_groups(where: str, values: Sequence[Value]) -> Batch[list[StoredObject]]:
    """Return the groups of a condition, in order of key, with parents, users and roles; as a batch."""
    rows = yield Statement(
        f"SELECT g.pk AS pk, g.name AS name, g.is_superuser AS is_superuser, g.attributes AS attributes"
        f" FROM directory_group AS g{where} ORDER BY g.pk",
        values,
    )
    links: dict[str, Mapping[str, list[str | int]]] = {}
    for field, (table, own, other) in _LINKS.items():
        links[field] = yield from _links(table, own, other, where, values)
    return [
        StoredObject(
            GROUP_KIND,
            row["pk"],
            {
                "name": row["name"],
                "is_superuser": bool(row["is_superuser"]),
                "attributes": codec.decode(row["attributes"]),
                **{field: tuple(keys[row["pk"]]) for field, keys in links.items()},
            },
        )
        for row in rows
    ]


def write_group(change: Change, *, now: int) -> Iterator[Statement]:  # noqa: ARG001 - as the other kinds
    """Yield the statements for a change of a group."""
    pk, before, after = cast("str", change.pk), change.before, change.after
    if after is None:
        links = (members.GROUP_USERS, members.GROUP_ROLES, members.PARENTS, members.CHILDREN)
        yield from members.cut_all(links, pk)
        yield _delete("directory_group", pk)
        return
    if before is None:
        yield insert_group(
            pk, cast("str", after["name"]), superuser=bool(after["is_superuser"]), attributes=after["attributes"]
        )
    else:
        yield Statement(
            "UPDATE directory_group SET name = ?, is_superuser = ?, attributes = ?"
            " WHERE pk = ? AND name = ? AND is_superuser = ? AND attributes = ?",
            (*_group_row(after), pk, *_group_row(before)),
            guard=Guard(lambda: Conflict(f"group {pk} was changed meanwhile")),
        )
    yield from members.parents(pk, before, after)
    yield from members.changed(members.GROUP_USERS, pk, before, after, field="users")
    yield from members.changed(members.GROUP_ROLES, pk, before, after, field="roles")


def insert_group(pk: str, name: str, *, superuser: bool, attributes: object) -> Statement:
    """Return the statement that inserts a group."""
    return Statement(
        "INSERT INTO directory_group (pk, name, is_superuser, attributes) VALUES (?, ?, ?, ?)",
        (pk, name, int(superuser), codec.encode_canonical(attributes)),
    )


def load_roles(where: str, values: Sequence[Value]) -> Batch[list[StoredObject]]:
    """Return the roles of a condition, in order of key; as a batch."""
    rows = yield Statement(
        f"SELECT g.pk AS pk, g.name AS name, g.permissions AS permissions FROM directory_role AS g{where}"
        " ORDER BY g.pk",
        values,
    )
    return [
        StoredObject(
            ROLE_KIND,
            row["pk"],
            {"name": row["name"], "permissions": tuple(cast("list[str]", codec.decode(row["permissions"])))},
        )
        for row in rows
    ]


def write_role(change: Change, *, now: int) -> Iterator[Statement]:  # noqa: ARG001 - as the other kinds
    """Yield the statements for a change of a role."""
    pk, before, after = cast("str", change.pk), change.before, change.after
    if after is None:
        yield from members.cut_all((members.ROLE_USERS, members.ROLE_GROUPS), pk)
        yield _delete("directory_role", pk)
    elif before is None:
        yield Statement("INSERT INTO directory_role (pk, name, permissions) VALUES (?, ?, ?)", (pk, *_role_row(after)))
    else:
        yield Statement(
            "UPDATE directory_role SET name = ?, permissions = ? WHERE pk = ? AND name = ? AND permissions = ?",
            (*_role_row(after), pk, *_role_row(before)),
            guard=Guard(lambda: Conflict(f"role {pk} was changed meanwhile")),
        )


def _links(
    table: str, own: str, other: str, where: str, values: Sequence[Value]
) -> Batch[Mapping[str, list[str | int]]]:
    rows = yield Statement(
        f"SELECT m.{own} AS own, m.{other} AS other FROM directory_group AS g"
        f" JOIN {table} AS m ON m.{own} = g.pk{where} ORDER BY m.{other}",
        values,
    )
    linked: defaultdict[str, list[str | int]] = defaultdict(list)
    for row in rows:
        linked[row["own"]].append(row["other"])
    return linked


def _delete(table: str, pk: str) -> Statement:
    return Statement(
        f"DELETE FROM {table} WHERE pk = ?", (pk,), guard=Guard(lambda: Conflict(f"{pk} was deleted meanwhile"))
    )


def _group_row(values: Mapping[str, object]) -> tuple[Value, ...]:
    return cast("str", values["name"]), int(bool(values["is_superuser"])), codec.encode_canonical(values["attributes"])


def _role_row(values: Mapping[str, object]) -> tuple[Value, ...]:
    return cast("str", values["name"]), codec.encode_canonical(list(cast("Sequence[str]", values["permissions"])))
