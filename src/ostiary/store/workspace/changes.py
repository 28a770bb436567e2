"""The values of the workspace: stored objects, changes, referrers, and the interface of a backend."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from ostiary.record import dataclass
from ostiary.resource import Kind, Numbering, Pk
from ostiary.store.database import Statement, StoreError

Key = tuple[str, Pk]
"""Kind name and primary key: names one object of either plane."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object in a unit of work. `values` are field values as parsed by its kind."""

    kind: Kind
    pk: Pk
    values: Mapping[str, object]

    @property
    def key(self) -> Key:
        """The key of the object."""
        return self.kind.name, self.pk

    @property
    def label(self) -> str:
        """Name of the object for people: its label field, or its primary key."""
        return str(self.values.get(self.kind.label_field) or self.pk)

    def item(self) -> Any:
        """Return the object of the kind's own class."""
        return self.kind.model(pk=self.pk, **self.values)


@dataclass(frozen=True, slots=True)
class Change:
    """One object before and after a unit of work. `before` is None for a new one, `after` for a deleted one.

    `note` is passed to the backend that writes the change; its class belongs to the room of that backend.
    """

    kind: Kind
    pk: Pk
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    note: object = None

    @property
    def action(self) -> Literal["created", "updated", "deleted"]:
        """The action, as the event log names it."""
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "updated"

    @property
    def label(self) -> str:
        """The present or last label of the object."""
        return StoredObject(self.kind, self.pk, self.after or self.before or {}).label


@dataclass(frozen=True, slots=True)
class Referrer:
    """An object that refers to another one through `field`."""

    stored: StoredObject
    field: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The result of a commit. `revision` is None when only directory objects changed: they make events, no revision."""

    revision: int | None
    changes: tuple[Change, ...]


class Referenced(StoreError):
    """An object cannot be deleted while others need it. `by` names them."""

    def __init__(self, stored: StoredObject, by: Sequence[Referrer]) -> None:
        self.stored = stored
        self.by = tuple(by)
        names = ", ".join(f"{one.stored.kind.name} {one.stored.label} ({one.field})" for one in by)
        super().__init__(f"{stored.kind.name} {stored.label} is still used by {names}")


class Backend(Protocol):
    """The storage of directory kinds. One backend may serve several kinds."""

    async def match(self, kind: Kind, lookups: Sequence[tuple[str, object]]) -> Sequence[StoredObject]:
        """Return the objects that match all look-ups, ordered by primary key.

        A look-up is a field (or "pk") and its value, a one-hop path such as "user__username", or an object field and
        a mapping it must contain. Fields marked CASELESS ignore case. The workspace has validated the names, and treats
        "pk" as an alternative to the rest.
        """
        ...

    async def get(self, kind: Kind, pk: Pk) -> StoredObject | None:
        """Return one object."""
        ...

    async def allocate(self, kind: Kind) -> Pk:
        """Return an unused primary key."""
        ...

    async def settle(self, change: Change) -> Change:
        """Remove from an update what is stored already, such as the same password."""
        ...

    async def prepare(self, change: Change) -> Change:
        """Finish a change before its batch: hash a password, set what the program sets. May raise InvalidResource."""
        ...

    def writes(self, change: Change, *, now: int) -> Iterable[Statement]:
        """Return the statements of a change, guarded so that a row changed meanwhile raises Conflict."""
        ...

    async def referring(self, kind: Kind, pk: Pk) -> Sequence[Referrer]:
        """Return the directory objects that refer to an object of any kind, each with the referring field.

        References that the tables remove themselves (memberships, ON DELETE CASCADE) may be omitted.
        """
        ...


def normal_pk(kind: Kind, raw: object) -> Pk | None:
    """Return a primary key in the kind's own spelling, or None when it cannot be one."""
    if isinstance(raw, bool):
        return None
    try:
        return int(str(raw)) if kind.numbering is Numbering.INTEGER else str(uuid.UUID(str(raw)))
    except ValueError:
        return None
