"""The workspace backend of users, groups, roles and tokens."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import cast

from ostiary.directory.errors import PasswordTooLong
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import GROUP, KINDS, ROLE, TOKEN, USER
from ostiary.directory.rows import group_rows, token_rows, user_rows
from ostiary.directory.tokens import new_key
from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Kind, Pk, Problem
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.counter import next_number
from ostiary.store.database import Batch, Database, Statement, Value, fetch_one
from ostiary.store.ordered_key import OrderedKeys
from ostiary.store.workspace.changes import Change, Referrer, StoredObject

COUNTER = "user"

OnDeleted = Callable[[int], Iterable[Statement]]
"""A hook before a user is deleted. Other rooms delete the user's data."""

OnDisabled = Callable[[int, int], Iterable[Statement]]
"""A hook after a user is deactivated, deleted or gets a new password. It gets the user's number and the time."""


@dataclass(slots=True)
class AccountHooks:
    """The hooks with which other rooms revoke what was issued to a user, in the same transaction."""

    on_ended: list[OnDisabled] = field(default_factory=list)


_Condition = Callable[[str, object], tuple[str, Value] | None]
_CONDITIONS: Mapping[str, _Condition] = {
    USER: user_rows.condition,
    GROUP: group_rows.condition,
    ROLE: group_rows.condition,
    TOKEN: token_rows.condition,
}


class DirectoryBackend:
    """The backend of the four directory kinds (see `store.workspace.changes.Backend`)."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        sealer: Sealer,
        *,
        on_disabled: Sequence[OnDisabled] = (),
        on_deleted: Sequence[OnDeleted] = (),
    ) -> None:
        self._database = database
        self._passwords = passwords
        self._sealer = sealer
        self._on_disabled = on_disabled
        self._on_deleted = on_deleted
        self._keys = OrderedKeys()

    async def match(self, kind: Kind, lookups: Sequence[tuple[str, object]]) -> Sequence[StoredObject]:
        """Return the objects that match the indexed look-ups, in order of key. The workspace compares the rest."""
        condition = _CONDITIONS[kind.name]
        parts = [part for name, value in lookups if (part := condition(name, value)) is not None]
        where = " WHERE " + " AND ".join(sql for sql, _ in parts) if parts else ""
        return await self._load(kind, where, [value for _, value in parts])

    async def get(self, kind: Kind, pk: Pk) -> StoredObject | None:
        """Return an object, or None."""
        objects = await self.match(kind, [("pk", pk)])
        return objects[0] if objects else None

    async def allocate(self, kind: Kind) -> Pk:
        """Return a free primary key. Manually assigned numbers are skipped."""
        if kind.name != USER:
            return self._keys.new()
        return await new_user_pk(self._database)

    async def settle(self, change: Change) -> Change:
        """Drop a password that equals the stored one. Raises Busy."""
        password = (change.after or {}).get("password")
        if change.kind.name != USER or not isinstance(password, Secret) or not await self._same(change.pk, password):
            return change
        return replace(change, after={**(change.after or {}), "password": None})

    async def prepare(self, change: Change) -> Change:
        """Hash the password, or generate the key or UUID. Raises InvalidResource, Busy."""
        if change.after is None:
            return change
        if change.kind.name == USER:
            return await self._prepare_user(change, change.after)
        if change.kind.name == TOKEN and change.after.get("key") is None:
            needs_key = change.before is None or change.before.get("intent") != change.after.get("intent")
            return replace(change, after={**change.after, "key": new_key()}) if needs_key else change
        return change

    def writes(self, change: Change, *, now: int) -> Iterable[Statement]:
        """Return the statements of a prepared change."""
        match change.kind.name:
            case "authentik_core.user":
                return self._user_writes(change, now=now)
            case "authentik_core.group":
                return group_rows.write_group(change, now=now)
            case "authentik_rbac.role":
                return group_rows.write_role(change, now=now)
            case _:
                return token_rows.writes(change, self._sealer, now=now)

    async def referring(self, kind: Kind, pk: Pk) -> Sequence[Referrer]:
        """Return the tokens of a user. Memberships are deleted with the object."""
        if kind.name != USER:
            return ()
        tokens = await self._load(token_rows.KIND, " WHERE t.user_pk = ?", [pk])
        return [Referrer(token, "user") for token in tokens]

    def _user_writes(self, change: Change, *, now: int) -> Iterator[Statement]:
        if change.after is None:
            for delete in self._on_deleted:
                yield from delete(cast("int", change.pk))
        yield from user_rows.writes(change, now=now)
        if user_rows.is_ended(change):
            for hook in self._on_disabled:
                yield from hook(cast("int", change.pk), now)

    async def _load(self, kind: Kind, where: str, values: Sequence[Value]) -> list[StoredObject]:
        match kind.name:
            case "authentik_core.user":
                return await self._database.read(lambda: user_rows.load(where, values))
            case "authentik_core.group":
                return await self._database.read(lambda: group_rows.load_groups(where, values))
            case "authentik_rbac.role":
                return await self._database.read(lambda: group_rows.load_roles(where, values))
            case _:
                return await self._database.read(lambda: token_rows.load(where, values, self._sealer))

    async def _prepare_user(self, change: Change, after: Mapping[str, object]) -> Change:
        prepared = dict(after)
        if change.before is None and not after.get("uuid"):
            prepared["uuid"] = str(uuid.uuid4())
        password = after.get("password")
        if isinstance(password, Secret):
            prepared["password"] = await self._hashed(change, password)
        return replace(change, after=prepared)

    async def _hashed(self, change: Change, password: Secret) -> Secret | None:
        try:
            if change.before is not None and await self._same(change.pk, password):
                return None
            return Secret(await self._passwords.hash(password))
        except PasswordTooLong as error:
            raise InvalidResource(USER, [Problem("password", str(error))]) from error

    async def _same(self, pk: Pk, password: Secret) -> bool:
        row = await fetch_one(self._database, "SELECT password FROM directory_user WHERE pk = ?", pk)
        if row is None:
            return False
        verified = await self._passwords.verify(password, row["password"])
        return verified.ok and verified.upgrade is None


async def new_user_pk(database: Database) -> int:
    """Return a free user number. Manually assigned numbers are skipped."""
    return await database.write(_free_number)


def _free_number() -> Batch[int]:
    while True:
        number = yield from next_number(COUNTER)
        taken = yield Statement("SELECT 1 AS taken FROM directory_user WHERE pk = ?", (number,))
        if not len(taken):
            return number


def backends(
    database: Database,
    passwords: Passwords,
    sealer: Sealer,
    *,
    on_disabled: Sequence[OnDisabled] = (),
    on_deleted: Sequence[OnDeleted] = (),
) -> dict[str, DirectoryBackend]:
    """Return the backend under the name of each directory kind, as `Editor` expects it.

    `on_disabled` are hooks that revoke what was issued to a user who is deactivated, deleted or gets a new password, in
    the same transaction. The user's sessions end without a hook. `on_deleted` are hooks that delete the data of a
    deleted user.
    """
    backend = DirectoryBackend(database, passwords, sealer, on_disabled=on_disabled, on_deleted=on_deleted)
    return {model.KIND.name: backend for model in KINDS}
