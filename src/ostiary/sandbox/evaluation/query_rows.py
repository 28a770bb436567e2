"""The rows of query sets in expressions: users and groups, up to a maximum.

The database applies the look-ups that it can; the program applies all of them again (`language.prelude.lookups`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.directory.rows.found import Relation
from ostiary.directory.user import uid_of
from ostiary.sandbox.evaluation.object_fields import device_fields, group_fields, user_fields
from ostiary.sandbox.language.analysis import EVERYTHING
from ostiary.sandbox.workers import HostError

if TYPE_CHECKING:
    from ostiary.directory.authenticators.devices import Devices
    from ostiary.directory.rows.found import Finder
    from ostiary.directory.user import GroupRef, User
    from ostiary.directory.users import Users
    from ostiary.sandbox.language.program import PreparedProgram

MAX_ROWS: Final = 1_000
"""The maximum number of rows of one query."""

_MAX_LOOKUPS: Final = 8  # applied by the database; the program applies any number
_GROUPS: Final = ("groups", "ak_groups")


class QueryRows:
    """The rows of query sets."""

    def __init__(self, users: Users, finder: Finder, devices: Devices) -> None:
        self._users = users
        self._finder = finder
        self._devices = devices

    async def rows(  # noqa: PLR0911 - one for each kind of reference
        self, reference: object, lookups: object, prepared: PreparedProgram
    ) -> list[dict[str, object]]:
        """Return the rows of `reference`: a kind as a whole, or a relation of an object. Raises HostError."""
        narrow = {str(name): _plain(value) for name, value in list(_items(lookups))[:_MAX_LOOKUPS]}
        match reference:
            case ["user", int() as pk, "groups" | "all_groups" as name]:
                return [group_fields(one) for one in await self._of_user(pk, name)]
            case ["group", str() as of, "users"]:
                return await self._people(narrow, Relation("users", of), prepared, lookups)
            case ["group", str() as of, "parents" | "children" as name]:
                return await self._groups(narrow, Relation(name, of))
            case ["device", str() as device_class]:
                return await self._of_device(device_class, narrow.get("user", narrow.get("user__pk")))
            case ["group"]:
                return await self._groups(narrow, None)
            case ["user"]:
                return await self._people(narrow, None, prepared, lookups)
        return []  # of nobody

    async def _of_device(self, device_class: str, user: object) -> list[dict[str, object]]:
        if not isinstance(user, int):
            raise HostError("devices are looked up by their user: filter(user=...)")
        return [device_fields(one) for one in await self._devices.of_user(user) if one.device_class == device_class]

    async def _of_user(self, pk: int, name: str) -> Iterable[GroupRef]:
        subject = await self._users.subject(pk)
        if subject is None:
            return ()
        return subject.groups if name == "groups" else subject.every_group

    async def _groups(self, lookups: Mapping[str, object], relation: Relation | None) -> list[dict[str, object]]:
        found = await self._finder.groups(lookups, relation, MAX_ROWS)
        _bounded(len(found), "groups")
        return [group_fields(one) for one in found]

    async def _people(
        self, narrow: Mapping[str, object], relation: Relation | None, prepared: PreparedProgram, lookups: object
    ) -> list[dict[str, object]]:
        found = await self._finder.users(narrow, relation, MAX_ROWS)
        _bounded(len(found), "users")
        named = {str(name).partition("__")[0] for name, _ in _items(lookups)}
        superusers: frozenset[int] = frozenset()
        if "is_superuser" in named or prepared.mentions("is_superuser"):
            superusers = await self._finder.superusers()
        rows = [_user_row(one, self._users.install_id, superusers, prepared) for one in found]
        if not named.isdisjoint(_GROUPS) or any(prepared.mentions(name) for name in _GROUPS):
            groups = await self._finder.groups_of([one.pk for one in found])
            for row, one in zip(rows, found, strict=True):
                held = [group_fields(group) for group in groups.get(one.pk, ())]
                row.update(_groups=held, groups=held, ak_groups=held)
        return rows


def _user_row(user: User, install_id: str, superusers: frozenset[int], prepared: PreparedProgram) -> dict[str, object]:
    row = user_fields(user, uid=uid_of(user.pk, install_id), is_superuser=user.pk in superusers)
    if "_has_password" in prepared.attributes or EVERYTHING in prepared.attributes:
        row["_has_password"] = user.has_password
    return row


def _bounded(count: int, what: str) -> None:
    # guard: A56 a query has a bound
    if count > MAX_ROWS:
        raise HostError(
            f"more than {MAX_ROWS:,} {what} have to be looked at: name more of what you look for", RuntimeError
        )


def _items(lookups: object) -> Iterable[tuple[object, object]]:
    return lookups.items() if isinstance(lookups, dict) else ()


def _plain(value: object) -> object:
    """Return a value with keys in place of objects."""
    if isinstance(value, dict) and "ostiary" in value:
        return value.get("pk")
    return [_plain(one) for one in value] if isinstance(value, list) else value
