"""Users and groups that look-ups select, a bounded number of them.

What is read may be more than what matches, never less: a look-up that no column can answer narrows nothing, and whoever
asked compares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeGuard, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.user import GroupRef, User
from ostiary.directory.users import COLUMNS, user_of
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.store.database import Database, Row, Value

Lookups = Mapping[str, object]
"""Values by field, or by field and operator (`name__in`), as Django writes them. All of them must match."""

_OF_U: Final = ", ".join(f"u.{name.strip()} AS {name.strip()}" for name in COLUMNS.split(","))
_GROUP: Final = "g.pk AS pk, g.name AS name, g.is_superuser AS is_superuser, g.attributes AS attributes"
_MAX_LIST_LENGTH: Final = 100  # values of one `in`

_USER_TEXTS: Final[Mapping[str, str]] = {
    "username": "u.username", "name": "u.name", "email": "u.email", "path": "u.path", "type": "u.kind",
    "uuid": "u.uuid",
}  # fmt: skip
_USER_KEYS: Final[Mapping[str, str]] = {"username": "u.username_key", "email": "u.email_key"}
_GROUP_TEXTS: Final[Mapping[str, str]] = {"name": "g.name", "pk": "g.pk", "group_uuid": "g.pk"}
_MEMBERS: Final[Mapping[str, str]] = {  # the relations of a group or a user, as joins with the key of that object
    "users": "JOIN directory_user_group AS m ON m.user_pk = u.pk AND m.group_pk = ?",
    "groups": "JOIN directory_user_group AS m ON m.group_pk = g.pk AND m.user_pk = ?",
    "parents": "JOIN directory_group_parent AS p ON p.parent_pk = g.pk AND p.child_pk = ?",
    "children": "JOIN directory_group_parent AS p ON p.child_pk = g.pk AND p.parent_pk = ?",
}
_ABOVE_SUPERUSERS: Final = """
WITH RECURSIVE reach (pk) AS (
    SELECT pk FROM directory_group WHERE is_superuser = 1
    UNION
    SELECT p.child_pk FROM reach JOIN directory_group_parent AS p ON p.parent_pk = reach.pk
)
SELECT DISTINCT m.user_pk AS pk FROM directory_user_group AS m JOIN reach ON reach.pk = m.group_pk"""


@dataclass(frozen=True, slots=True)
class Relation:
    """Those who are the `name` (users, groups, parents, children) of the object with this key."""

    name: str
    of: int | str


class Finder:
    """Reads what look-ups select. `most` is how many rows are read; one more tells that there are more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def users(self, lookups: Lookups, relation: Relation | None, most: int) -> list[User]:
        """Return up to `most` + 1 users, in order of number: all that match, and perhaps others."""
        sql, values = _query(f"SELECT {_OF_U} FROM directory_user AS u", relation, list(_of_users(lookups)))
        rows = await self._database.fetch(f"{sql} ORDER BY u.pk LIMIT ?", *values, most + 1)
        return [user_of(row) for row in rows]

    async def groups(self, lookups: Lookups, relation: Relation | None, most: int) -> list[GroupRef]:
        """Return up to `most` + 1 groups, in order of name: all that match, and perhaps others."""
        sql, values = _query(f"SELECT {_GROUP} FROM directory_group AS g", relation, list(_of_groups(lookups)))
        rows = await self._database.fetch(f"{sql} ORDER BY g.name, g.pk LIMIT ?", *values, most + 1)
        return [_group(row) for row in rows]

    async def groups_of(self, users: Sequence[int]) -> Mapping[int, list[GroupRef]]:
        """Return the direct groups of each user, in order of name."""
        found: defaultdict[int, list[GroupRef]] = defaultdict(list)
        for some in _parts(users):
            rows = await self._database.fetch(
                f"SELECT {_GROUP}, m.user_pk AS user_pk FROM directory_group AS g"
                f" JOIN directory_user_group AS m ON m.group_pk = g.pk WHERE m.user_pk IN ({_marks(some)})"
                " ORDER BY g.name, g.pk",
                *some,
            )
            for row in rows:
                found[row["user_pk"]].append(_group(row))
        return found

    async def superusers(self) -> frozenset[int]:
        """Return the numbers of all who are superusers through a group or an ancestor of one."""
        return frozenset(row["pk"] for row in await self._database.fetch(_ABOVE_SUPERUSERS))


def _query(
    select: str, relation: Relation | None, conditions: Sequence[tuple[str, Sequence[Value]]]
) -> tuple[str, list[Value]]:
    join = "" if relation is None else f" {_MEMBERS[relation.name]}"
    where = " AND ".join(condition for condition, _ in conditions)
    values: list[Value] = [] if relation is None else [relation.of]
    values += [value for _, several in conditions for value in several]
    return f"{select}{join}" + (f" WHERE {where}" if where else ""), values


def _of_users(lookups: Lookups) -> Iterator[tuple[str, Sequence[Value]]]:
    for lookup, value in lookups.items():
        name, _, operator = lookup.partition("__")
        if name in {"pk", "id"}:
            yield from _number("u.pk", operator, value)
        elif name == "is_active" and operator in {"", "exact"} and isinstance(value, bool):
            yield "u.is_active = ?", [int(value)]
        elif name in _USER_KEYS and operator == "iexact" and _is_text(value):
            yield f"{_USER_KEYS[name]} = ?", [case_key(value)]
        elif name in _USER_TEXTS:
            yield from _text(_USER_TEXTS[name], operator, value)
        elif name == "attributes":
            yield from _attribute("u.attributes", operator, value)


def _of_groups(lookups: Lookups) -> Iterator[tuple[str, Sequence[Value]]]:
    for lookup, value in lookups.items():
        name, _, operator = lookup.partition("__")
        if name == "is_superuser" and operator in {"", "exact"} and isinstance(value, bool):
            yield "g.is_superuser = ?", [int(value)]
        elif name in _GROUP_TEXTS:
            yield from _text(_GROUP_TEXTS[name], operator, value)
        elif name == "attributes":
            yield from _attribute("g.attributes", operator, value)


def _text(column: str, operator: str, value: object) -> Iterator[tuple[str, Sequence[Value]]]:
    """Yield the condition of a look-up in a column of text. The case of letters counts, or SQLite finds more."""
    if operator in {"", "exact"} and _is_text(value):
        yield f"{column} = ?", [value]
    elif operator == "in" and _is_list_of(value, str):
        several = [one for one in cast("list[str]", value) if _is_text(one)]
        yield f"{column} IN ({_marks(several)})" if several else "1 = 0", several
    elif operator in {"startswith", "contains", "endswith"} and _is_text(value):
        before, behind = "" if operator == "startswith" else "%", "" if operator == "endswith" else "%"
        yield f"{column} LIKE ? ESCAPE '!'", [f"{before}{_escaped(value)}{behind}"]


def _number(column: str, operator: str, value: object) -> Iterator[tuple[str, Sequence[Value]]]:
    if operator in {"", "exact"} and isinstance(value, int) and abs(value) < 2**63:
        yield f"{column} = ?", [value]
    elif operator == "in" and _is_list_of(value, int) and all(abs(one) < 2**63 for one in cast("list[int]", value)):
        several = cast("list[int]", value)
        yield f"{column} IN ({_marks(several)})" if several else "1 = 0", several


def _attribute(column: str, path: str, value: object) -> Iterator[tuple[str, Sequence[Value]]]:
    """Yield the condition for a text among the attributes: it stands somewhere in their JSON."""
    if path and _is_text(value) and path.rpartition("__")[2] not in _OPERATORS:
        yield f"{column} LIKE ? ESCAPE '!'", [f"%{_escaped(codec.encode_canonical(value))}%"]


_OPERATORS: Final = frozenset(
    {
        "iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "in", "isnull", "gt",
        "gte", "lt", "lte", "has_key", "has_keys", "has_any_keys",
    }
)  # fmt: skip


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and len(value) <= _MAX_LIST_LENGTH and all(type(one) is kind for one in value)


def _is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a text that a column can hold."""
    return isinstance(value, str) and "\0" not in value and not any("\ud800" <= one <= "\udfff" for one in value)


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _parts(values: Sequence[int]) -> Iterator[Sequence[int]]:
    yield from (values[start : start + _MAX_LIST_LENGTH] for start in range(0, len(values), _MAX_LIST_LENGTH))


def _group(row: Row) -> GroupRef:
    attributes = cast("Mapping[str, object]", codec.decode(cast("str", row["attributes"])))
    return GroupRef(row["pk"], row["name"], attributes, is_superuser=bool(row["is_superuser"]))
