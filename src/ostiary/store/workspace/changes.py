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
class Stored:
    """One object as a unit of work sees it. `values` are field values as its kind's `parse` makes them."""

    kind: Kind
    pk: Pk
    values: Mapping[str, object]

    @property
    def key(self) -> Key:
        """What names the object."""
        return self.kind.name, self.pk

    @property
    def label(self) -> str:
        """What people call the object: its label field, else its primary key."""
        return str(self.values.get(self.kind.label_field) or self.pk)

    def item(self) -> Any:
        """Return the object of the kind's own class."""
        return self.kind.model(pk=self.pk, **self.values)


@dataclass(frozen=True, slots=True)
class Change:
    """One object before and after a unit of work. `before` is None when it is new, `after` when it goes.

    `note` is what whoever changed it tells the backend that writes it, in a class of that backend's room.
    """

    kind: Kind
    pk: Pk
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None
    note: object = None

    @property
    def action(self) -> Literal["created", "updated", "deleted"]:
        """What happened, in the words of the event log."""
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "updated"

    @property
    def label(self) -> str:
        """What people call the object now, or called it last."""
        return Stored(self.kind, self.pk, self.after or self.before or {}).label


@dataclass(frozen=True, slots=True)
class Referrer:
    """An object that refers to another one through `field`."""

    stored: Stored
    field: str


@dataclass(frozen=True, slots=True)
class Committed:
    """What a commit wrote. `revision` is None when only directory objects changed: those are events, not revisions."""

    revision: int | None
    changes: tuple[Change, ...]


class Referenced(StoreError):
    """An object cannot be deleted while others need it. `by` names them."""

    def __init__(self, stored: Stored, by: Sequence[Referrer]) -> None:
        self.stored = stored
        self.by = tuple(by)
        names = ", ".join(f"{one.stored.kind.name} {one.stored.label} ({one.field})" for one in by)
        super().__init__(f"{stored.kind.name} {stored.label} is still used by {names}")


class Backend(Protocol):
    """Where the objects of directory kinds are kept. One backend may serve several kinds."""

    async def match(self, kind: Kind, lookups: Sequence[tuple[str, object]]) -> Sequence[Stored]:
        """Return the objects for which every look-up holds, in the order of their primary keys.

        A look-up is a field (or "pk") and its value, a one-hop path such as "user__username", or an object field and
        a mapping it must contain. Fields marked CASELESS ignore case. The workspace has checked the names, and deals
        with "pk" being an alternative to the rest.
        """
        ...

    async def get(self, kind: Kind, pk: Pk) -> Stored | None:
        """Return one object."""
        ...

    async def allocate(self, kind: Kind) -> Pk:
        """Return a primary key nobody has."""
        ...

    async def settle(self, change: Change) -> Change:
        """Take out of an update what is stored already and only `prepare` could tell: the same password."""
        ...

    async def prepare(self, change: Change) -> Change:
        """Finish a change before its batch: hash a password, set what the program sets. May raise InvalidResource."""
        ...

    def writes(self, change: Change, *, now: int) -> Iterable[Statement]:
        """Return the statements of a change, guarded so that a row changed meanwhile raises Conflict."""
        ...

    async def referring(self, kind: Kind, pk: Pk) -> Sequence[Referrer]:
        """Return the directory objects that refer to an object of any kind, with the field they do it through.

        What the tables cut by themselves (memberships, ON DELETE CASCADE) may be left out.
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
