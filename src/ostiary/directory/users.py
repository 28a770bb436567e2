"""The repository of users and subjects. A subject takes one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from ostiary.directory.case_key import case_key
from ostiary.directory.user import GroupRef, Membership, Subject, User, subject_of_groups
from ostiary.resource import codec
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import Batch, Database, Guard, Row, Statement, Value, fetch_one

__all__ = ["COLUMNS", "GroupRef", "Subject", "User", "Users", "insert", "keys_of", "signed_in", "user_of"]

COLUMNS: Final = (
    "pk, uuid, username, name, email, is_active, kind, path, attributes, password, last_login, date_joined,"
    " password_change_date, last_updated, security_stamp"
)
_OF_U: Final = ", ".join(f"u.{name.strip()} AS {name.strip()}" for name in COLUMNS.split(","))
PAGE_LIMIT: Final = 500
_WIDTH: Final = len(COLUMNS.split(",")) + 5  # columns of a user and a group, in DIRECT and in SUBJECT
_CACHED: Final = 1024  # subjects
_CACHED_GROUPS: Final = 64  # a subject with more groups is not cached

# Most groups have no parents. For them this query suffices, at a third of the cost of the recursive one.
DIRECT: Final = f"""
SELECT {_OF_U},
    g.pk AS group_pk, g.name AS group_name, g.is_superuser AS group_superuser, g.attributes AS group_attributes,
    1 AS group_direct,
    (SELECT 1 FROM directory_group_parent AS p WHERE p.child_pk = g.pk LIMIT 1) AS has_parent
FROM directory_user AS u
LEFT JOIN directory_user_group AS m ON m.user_pk = u.pk
LEFT JOIN directory_group AS g ON g.pk = m.group_pk
WHERE u.pk = ?
ORDER BY g.name, g.pk"""
DIRECT_NAMED: Final = DIRECT.replace("u.pk = ?", "u.username_key = ?")
_NAMED: Final = "(SELECT pk FROM directory_user WHERE username_key = ?)"
SUBJECT: Final = f"""
WITH RECURSIVE reach (pk, direct) AS (
    SELECT group_pk, 1 FROM directory_user_group WHERE user_pk = ?
    UNION
    SELECT p.parent_pk, 0 FROM reach JOIN directory_group_parent AS p ON p.child_pk = reach.pk
)
SELECT {_OF_U},
    g.pk AS group_pk, g.name AS group_name, g.is_superuser AS group_superuser, g.attributes AS group_attributes,
    m.direct AS group_direct
FROM directory_user AS u
LEFT JOIN (SELECT pk, MAX(direct) AS direct FROM reach GROUP BY pk) AS m ON 1 = 1
LEFT JOIN directory_group AS g ON g.pk = m.pk
WHERE u.pk = ?
ORDER BY g.name, g.pk"""
SUBJECT_NAMED: Final = SUBJECT.replace("user_pk = ?", f"user_pk = {_NAMED}").replace("u.pk = ?", "u.username_key = ?")

BY_LOGIN: Final[Mapping[str, str]] = {
    "username": f"SELECT {COLUMNS} FROM directory_user WHERE username_key = ?",
    "email": f"SELECT {COLUMNS} FROM directory_user WHERE email_key = ?",
    "upn": f"SELECT {COLUMNS} FROM directory_user WHERE upn_key = ?",
}


_Columns = tuple[tuple[Value, ...], ...]


class Users:
    """The users of an installation. `install_id` is part of every `uid`."""

    def __init__(self, database: Database, *, install_id: str) -> None:
        self._database = database
        self.install_id = install_id
        self._watch = database.watch("directory_")
        self._state: object | None = None
        self._cache: BoundedCache[int | str, Subject] = BoundedCache(_CACHED)  # of the current state

    async def get(self, pk: int) -> User | None:
        """Return the user with that primary key."""
        return await self._one(f"SELECT {COLUMNS} FROM directory_user WHERE pk = ?", pk)

    async def by_uuid(self, uuid: str) -> User | None:
        """Return the user with that UUID."""
        return await self._one(f"SELECT {COLUMNS} FROM directory_user WHERE uuid = ?", uuid)

    async def by_username(self, username: str) -> User | None:
        """Return the user with that name, in any case."""
        return await self._one(BY_LOGIN["username"], case_key(username))

    async def by_login(self, fields: Sequence[str], text: str, *, caseless: bool = True) -> User | None:
        """Return the user for a typed login, matched with `fields` (username, email, upn).

        A username takes precedence over another user's e-mail address. An address of several users matches none.
        """
        columns = [name for name in ("username", "email", "upn") if name in fields]
        key = case_key(text)
        if not columns or not text or "\0" in text or not _encodable(text):
            return None
        rows = await self._database.fetch(" UNION ".join(BY_LOGIN[name] for name in columns), *[key] * len(columns))
        users = [user for user in map(user_of, rows) if caseless or text in _spellings(user, columns)]
        by_username = [user for user in users if "username" in columns and case_key(user.username) == key]
        if by_username:
            return by_username[0]
        return users[0] if len(users) == 1 else None

    async def subject(self, pk: int) -> Subject | None:
        """Return the user with groups and all ancestor groups. One round trip, or two if groups have parents.

        A cached subject takes no round trip, if the database can tell that the directory has not changed.
        """
        state = self._current_state()
        cached = self._cache.get(pk)
        if cached is not None:
            return cached
        rows = await self._database.fetch(DIRECT, pk)
        if _is_nested(rows):
            rows = await self._database.fetch(SUBJECT, pk, pk)
        return self._keep(pk, rows, state)

    async def subject_named(self, username: str) -> Subject | None:
        """Return the subject with that username, in any case. Round trips as of `subject`."""
        key = case_key(username)
        state = self._current_state()
        cached = self._cache.get(key)
        if cached is not None:
            return cached
        rows = await self._database.fetch(DIRECT_NAMED, key)
        if _is_nested(rows):
            rows = await self._database.fetch(SUBJECT_NAMED, key, key)
        return self._keep(key, rows, state)

    def _current_state(self) -> object | None:
        """Return the state of the directory. If it has changed, the cache is cleared."""
        state = self._watch.state()
        if state is None or state != self._state:
            self._state = state
            self._cache.clear()
        return state

    def _keep(self, key: int | str, rows: Sequence[Row], state: object | None) -> Subject | None:
        """Return the subject of rows. It is cached if the directory has not changed meanwhile."""
        if not rows:
            return None
        subject = _subject(rows, self.install_id)
        if state is not None and state == self._current_state():
            self._cache.keep(key, subject)
        return subject

    def read_subject(self, pk: int) -> Batch[Subject | None]:
        """Return the subject of a user, as a batch."""
        rows = yield Statement(DIRECT, (pk,))
        if _is_nested(rows.rows):
            rows = yield Statement(SUBJECT, (pk, pk))
        return _subject(rows.rows, self.install_id) if len(rows) else None

    async def page(self, *, after: int = 0, limit: int = 100, search: str = "") -> list[User]:
        """Return up to `limit` users with a number above `after`, in order. `search` matches names and addresses."""
        where, values = "", cast("list[Value]", [])
        if search:
            where = " AND (username_key LIKE ? ESCAPE '!' OR email_key LIKE ? ESCAPE '!' OR name LIKE ? ESCAPE '!')"
            values = [_like(case_key(search)), _like(case_key(search)), _like(search)]
        rows = await self._database.fetch(
            f"SELECT {COLUMNS} FROM directory_user WHERE pk > ?{where} ORDER BY pk LIMIT ?",
            after,
            *values,
            min(limit, PAGE_LIMIT),
        )
        return [user_of(row) for row in rows]

    async def _one(self, sql: str, value: Value) -> User | None:
        row = await fetch_one(self._database, sql, value)
        return user_of(row) if row is not None else None


def insert(user: User) -> Statement:
    """Return the statement that inserts a user. Raises Duplicate for a taken username."""
    return Statement(
        f"INSERT INTO directory_user ({COLUMNS}, username_key, email_key, upn_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, ?, ?, ?, ?, ?)",
        (
            user.pk,
            user.uuid,
            user.username,
            user.name,
            user.email,
            int(user.is_active),
            user.type,
            user.path,
            codec.encode_canonical(user.attributes),
            user.password,
            user.last_login,
            user.date_joined,
            user.password_change_date,
            user.last_updated,
            user.security_stamp,
            *keys_of(user.username, user.email, user.attributes),
        ),
    )


def keys_of(username: str, email: str, attributes: Mapping[str, object]) -> tuple[str, str, str]:
    """Return the look-up keys of username, e-mail address and attributes.upn; "" for a missing one."""
    upn = attributes.get("upn")
    return case_key(username), case_key(email), case_key(upn) if isinstance(upn, str) else ""


def signed_in(user: User, now: int, *, error: Callable[[], Exception]) -> Statement:
    """Return the statement that records a sign-in. Raises `error` if the authentication is no longer valid."""
    # guard: A72 the statement that signs in checks the credential again
    return Statement(
        "UPDATE directory_user SET last_login = ? WHERE pk = ? AND security_stamp = ? AND is_active = 1",
        (now, user.pk, user.security_stamp),
        guard=Guard(error),
    )


def end_proofs(pk: int) -> Statement:
    """Return the statement that invalidates every pending authentication of a user, in any browser."""
    return Statement(
        "UPDATE directory_user SET security_stamp = security_stamp + 1, last_updated = last_updated + 1 WHERE pk = ?",
        (pk,),
    )


def renew_proof(user: User, *, error: Callable[[], Exception]) -> tuple[User, Statement]:
    """Return the user with a new security stamp, and the statement that stores it.

    It invalidates all other pending authentications. Raises `error` if the own one is no longer valid.
    """
    ended = end_proofs(user.pk)
    guarded = Statement(f"{ended.sql} AND security_stamp = ?", (user.pk, user.security_stamp), guard=Guard(error))
    return replace(user, security_stamp=user.security_stamp + 1), guarded


def user_of(row: Row) -> User:
    """Return the user of a row with `COLUMNS`."""
    return User(
        pk=row["pk"],
        uuid=row["uuid"],
        username=row["username"],
        name=row["name"],
        email=row["email"],
        is_active=bool(row["is_active"]),
        type=row["kind"],
        path=row["path"],
        attributes=_object(row["attributes"]),
        password=row["password"],
        last_login=row["last_login"],
        date_joined=row["date_joined"],
        password_change_date=row["password_change_date"],
        last_updated=row["last_updated"],
        security_stamp=row["security_stamp"],
    )


def _is_nested(rows: Sequence[Row]) -> bool:
    """Return whether a group of the user has parents. Then all groups must be read by the recursive query."""
    return any(row["has_parent"] for row in rows)


def _subject(rows: Sequence[Row], install_id: str) -> Subject:
    """Return the subject of rows. Equal rows give the identical object, so that callers can cache by it."""
    key = (install_id, rows[0]["pk"])
    columns = tuple(tuple(cast("Iterable[Value]", row))[:_WIDTH] for row in rows)
    cached = _subjects.get(key)
    if cached is not None and cached[0] == columns:
        return cached[1]
    subject = _build_subject(rows, install_id)
    if len(rows) <= _CACHED_GROUPS:
        _subjects.keep(key, (columns, subject))
    return subject


_subjects: Final[BoundedCache[tuple[str, int], tuple[_Columns, Subject]]] = BoundedCache(_CACHED)


def _build_subject(rows: Sequence[Row], install_id: str) -> Subject:
    groups = [
        Membership(
            GroupRef(
                row["group_pk"],
                row["group_name"],
                _object(row["group_attributes"]),
                is_superuser=bool(row["group_superuser"]),
            ),
            direct=bool(row["group_direct"]),
            superuser=bool(row["group_superuser"]),
        )
        for row in rows
        if row["group_pk"] is not None
    ]
    return subject_of_groups(user_of(rows[0]), groups, install_id=install_id)


def _spellings(user: User, fields: Sequence[str]) -> tuple[object, ...]:
    names = {"username": user.username, "email": user.email, "upn": user.attributes.get("upn")}
    return tuple(names[name] for name in fields)


def _like(text: str) -> str:
    escaped = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{escaped}%"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(text: Value) -> Mapping[str, object]:
    if text == "{}":
        return {}
    return cast("Mapping[str, object]", codec.decode(cast("str", text)))
