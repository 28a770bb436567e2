"""The mapping of users for the workspace: rows to values, changes to statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.passwords.credentials import unusable
from ostiary.directory.resources import KeepSession, UserKind
from ostiary.directory.rows import members
from ostiary.directory.tokens import end_recovery
from ostiary.directory.user import User
from ostiary.directory.users import COLUMNS, insert, keys_of, user_of
from ostiary.events.event import event
from ostiary.resource import codec
from ostiary.seal import Secret
from ostiary.sessions.repository import end_of_user
from ostiary.store.database import Batch, Conflict, Guard, Statement, Value
from ostiary.store.workspace.changes import Change, StoredObject

KIND: Final = UserKind.KIND
LOOKUPS: Final[Mapping[str, str]] = {
    "pk": "u.pk",
    "username": "u.username_key",
    "uuid": "u.uuid",
    "email": "u.email",
    "name": "u.name",
    "path": "u.path",
    "type": "u.kind",
}
_OF_U: Final = ", ".join(f"u.{name.strip()} AS {name.strip()}" for name in COLUMNS.split(","))
_PLAIN: Final[Mapping[str, str]] = {  # field: column
    "username": "username",
    "name": "name",
    "email": "email",
    "is_active": "is_active",
    "type": "kind",
    "path": "path",
    "attributes": "attributes",
    "last_login": "last_login",
}


_PROVEN: Final = frozenset({"password", "is_active", "username"})  # columns whose change ends pending authentications


def condition(name: str, value: object) -> tuple[str, Value] | None:
    """Return the SQL condition of a look-up, or None if the workspace has to compare."""
    column = LOOKUPS.get(name)
    if name == "pk" and isinstance(value, int):
        return "u.pk = ?", value
    if column is None or name == "pk" or not isinstance(value, str):
        return None
    if name == "email":  # uses the index; the workspace compares the exact spelling
        return "u.email_key = ?", case_key(value)
    return f"{column} = ?", case_key(value) if name == "username" else value


def load(where: str, values: Sequence[Value]) -> Batch[list[StoredObject]]:
    """Return the users of a condition, in order of number, with their memberships; as a batch."""
    rows = yield Statement(f"SELECT {_OF_U} FROM directory_user AS u{where} ORDER BY u.pk", values)
    users = [user_of(row) for row in rows]
    groups = yield from _links("directory_user_group", "group_pk", where, values)
    roles = yield from _links("directory_user_role", "role_pk", where, values)
    return [StoredObject(KIND, user.pk, _values(user, groups[user.pk], roles[user.pk])) for user in users]


def writes(change: Change, *, now: int) -> Iterator[Statement]:
    """Yield the statements for a change. Its password, if any, is already hashed."""
    pk, before, after = cast("int", change.pk), change.before, change.after
    if after is None:
        yield from _delete(pk)
        return
    if before is None:
        yield insert(_new(pk, after, now))
    else:
        yield _update(pk, before, after, now)
        if is_ended(change):
            yield end_of_user(pk, but=change.note.key if isinstance(change.note, KeepSession) else None)
            yield end_recovery(pk)
    yield from members.changed(members.USER_GROUPS, pk, before, after, field="groups")
    yield from members.changed(members.USER_ROLES, pk, before, after, field="roles")
    if after.get("password") is not None and before is not None:
        who = {"pk": pk, "username": after["username"], "email": after["email"]}
        yield event("password_set", user=who, app="authentik.core", context={"user": who}, client_ip=None, now=now)


def is_ended(change: Change) -> bool:
    """Return whether a change revokes what was issued to a user: a deactivation, a deletion or a new password."""
    before, after = change.before or {}, change.after or {}
    disabled = bool(before.get("is_active")) and not after.get("is_active")
    return disabled or (change.before is not None and after.get("password") is not None)


def _links(table: str, column: str, where: str, values: Sequence[Value]) -> Batch[Mapping[int, list[str]]]:
    rows = yield Statement(
        f"SELECT m.user_pk AS user_pk, m.{column} AS other FROM directory_user AS u"
        f" JOIN {table} AS m ON m.user_pk = u.pk{where} ORDER BY m.{column}",
        values,
    )
    linked: defaultdict[int, list[str]] = defaultdict(list)
    for row in rows:
        linked[row["user_pk"]].append(row["other"])
    return linked


def _values(user: User, groups: Iterable[str], roles: Iterable[str]) -> dict[str, object]:
    return {
        "username": user.username,
        "name": user.name,
        "is_active": user.is_active,
        "last_login": user.last_login,
        "groups": tuple(groups),
        "roles": tuple(roles),
        "email": user.email,
        "attributes": user.attributes,
        "path": user.path,
        "type": user.type,
        "password": None,
        "uuid": user.uuid,
        "date_joined": user.date_joined,
        "password_change_date": user.password_change_date,
        "last_updated": user.last_updated,
    }


def _new(pk: int, after: Mapping[str, object], now: int) -> User:
    password = after.get("password")
    return User(
        pk=pk,
        uuid=cast("str", after["uuid"]),
        username=cast("str", after["username"]),
        name=cast("str", after["name"]),
        email=cast("str", after["email"]),
        is_active=bool(after["is_active"]),
        type=cast("str", after["type"]),
        path=cast("str", after["path"]),
        attributes=cast("Mapping[str, object]", after["attributes"]),
        password=password.reveal() if isinstance(password, Secret) else unusable(),
        last_login=cast("int | None", after.get("last_login")),
        date_joined=now,
        password_change_date=now,
        last_updated=now,
    )


def _update(pk: int, before: Mapping[str, object], after: Mapping[str, object], now: int) -> Statement:
    columns: dict[str, Value] = {
        column: _column(after[name]) for name, column in _PLAIN.items() if before.get(name) != after[name]
    }
    keys = keys_of(
        cast("str", after["username"]), cast("str", after["email"]), cast("Mapping[str, object]", after["attributes"])
    )
    columns |= dict(zip(("username_key", "email_key", "upn_key"), keys, strict=True))
    if isinstance(password := after.get("password"), Secret):
        columns |= {"password": password.reveal(), "password_change_date": now}
    # Strictly later than before, so that two changes within one microsecond differ.
    last_updated = cast("int", before["last_updated"])
    columns["last_updated"] = max(now, last_updated + 1)
    assignments = ", ".join(
        f"{name} = CAST(? AS BIGINT)" if name == "last_login" else f"{name} = ?" for name in columns
    )
    if columns.keys() & _PROVEN:
        assignments += ", security_stamp = security_stamp + 1"
    return Statement(
        f"UPDATE directory_user SET {assignments} WHERE pk = ? AND last_updated = ?",
        (*columns.values(), pk, last_updated),
        guard=Guard(lambda: Conflict(f"user {pk} was changed meanwhile")),
    )


def _delete(pk: int) -> Iterator[Statement]:
    yield end_of_user(pk)
    yield from members.cut_all((members.USER_GROUPS, members.USER_ROLES), pk)
    yield Statement("DELETE FROM directory_token WHERE user_pk = ?", (pk,))
    yield Statement(
        "DELETE FROM directory_user WHERE pk = ?",
        (pk,),
        guard=Guard(lambda: Conflict(f"user {pk} was deleted meanwhile")),
    )


def _column(value: object) -> Value:
    if isinstance(value, bool):
        return int(value)
    return codec.encode_canonical(value) if isinstance(value, Mapping) else cast("Value", value)
