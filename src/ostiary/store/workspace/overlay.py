"""The planes as one unit of work sees them: snapshot and directory backends, with pending changes on top."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ostiary.resource import Kind, Pk, Plane, Registry, UnknownKind
from ostiary.resource.field import Shape
from ostiary.store.configuration.documents import same
from ostiary.store.configuration.snapshot import Snapshot, index_key, targets
from ostiary.store.workspace.changes import Backend, Change, Key, Referrer, Stored, normal_pk
from ostiary.store.workspace.lookup import Query, holds
from ostiary.store.workspace.pending import Pending


class Overlay:
    """What a unit of work reads, including its own pending changes."""

    def __init__(self, registry: Registry, snapshot: Snapshot, backends: Mapping[str, Backend]) -> None:
        self.registry = registry
        self.snapshot = snapshot
        self._backends = backends
        self._read: dict[Key, Stored | None] = {}  # as first read: what changes are measured against
        self._pending = Pending()
        self._notes: dict[Key, object] = {}

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is pending, in the order it was done."""
        return tuple(self._change(key, after) for key, after in self._pending.items())

    def backend(self, kind: Kind) -> Backend:
        """Return what keeps the objects of a directory kind. Raises UnknownKind when nothing does."""
        try:
            return self._backends[kind.name]
        except KeyError:
            raise UnknownKind(f"{kind.name} has no backend") from None

    def kinds(self, target: str) -> tuple[Kind, ...]:
        """Return the kinds of a target, a kind or a family. Raises UnknownKind."""
        found = self.registry.family(target)
        if not found:
            raise UnknownKind(target)
        return found

    async def get(self, kind: Kind, pk: Pk) -> Stored | None:
        """Return an object as it is now, pending changes included."""
        key = (kind.name, pk)
        if key in self._pending:
            return self._pending[key]
        if key not in self._read:
            self._read[key] = await self._original(kind, pk)
        return self._read[key]

    async def resolve(self, target: str, pk: object) -> Stored | None:
        """Return the object a reference leads to, its key in any spelling. Raises UnknownKind."""
        for kind in self.kinds(target):
            key = normal_pk(kind, pk)
            if key is not None and (found := await self.get(kind, key)) is not None:
                return found
        return None

    async def match(self, kind: Kind, query: Query) -> Sequence[Stored]:
        """Return the objects that are meant; one named by its key comes first."""
        found: dict[Key, Stored] = {}
        if query.pk is not None and (named := await self.get(kind, query.pk)) is not None:
            found[named.key] = named
        if query.rest or not query.by_pk:
            for one in await self._candidates(kind, query):
                if one.key not in found and await holds(one, query, self.resolve, self.referrers):
                    found[one.key] = one
        return tuple(found.values())

    async def equal(self, kind: Kind, values: Mapping[str, object]) -> Sequence[Stored]:
        """Return the objects of a kind whose fields have these values, as uniqueness compares them."""
        if kind.plane is Plane.CONFIG:
            rows = [_stored(kind, item) for item in self.snapshot.where(kind.model, **values)]
        else:
            rows = list(await self.backend(kind).match(kind, list(values.items())))
        key = index_key(kind, values)
        return [
            one
            for one in self._overlay(rows, self._pending.where(kind, values))
            if index_key(kind, {name: one.values[name] for name in values}) == key
        ]

    async def referrers(self, stored: Stored) -> Sequence[Referrer]:
        """Return everything of both planes that refers to an object now."""
        found = [
            Referrer(_stored(item.KIND, item), field.name)
            for item, field in self.snapshot.referrers(stored.kind, stored.pk)
        ]
        for backend in {id(one): one for one in self._backends.values()}.values():
            found.extend(await backend.referring(stored.kind, stored.pk))
        found = [one for one in found if one.stored.key not in self._pending]
        for one in self._pending.objects():
            found.extend(Referrer(one, name) for name in _references(one, stored))
        return found

    def put(self, stored: Stored, note: object = None) -> Stored:
        """Note the new state of an object; a state equal to the stored one is no change. See `Change.note`."""
        if note is not None:
            self._notes[stored.key] = note
        before = self._read.setdefault(stored.key, None)
        if before is not None and same(stored.kind, before.values, stored.values):
            self._pending.remove(stored.key)
            return before
        self._pending.set(stored.key, stored)
        return stored

    def drop(self, stored: Stored) -> None:
        """Note that an object goes."""
        self._pending.remove(stored.key)
        if self._read.setdefault(stored.key, stored) is not None:  # what was made by this work simply vanishes
            self._pending.set(stored.key, None)

    def pending(self) -> dict[Key, Stored | None]:
        """Return a copy of what is pending, for `restore`."""
        return dict(self._pending.items())

    def restore(self, pending: Mapping[Key, Stored | None]) -> None:
        """Go back to what was pending."""
        self._pending = Pending(pending)

    async def _original(self, kind: Kind, pk: Pk) -> Stored | None:
        if kind.plane is Plane.DIRECTORY:
            return await self.backend(kind).get(kind, pk)
        item = self.snapshot.get(kind.model, pk)
        return None if item is None else _stored(kind, item)

    async def _candidates(self, kind: Kind, query: Query) -> Iterable[Stored]:
        narrow = _narrow(query)
        pending = self._pending.of(kind) if narrow is None else self._pending.where(kind, narrow)
        if kind.plane is Plane.DIRECTORY:
            rows: Sequence[Stored] = await self.backend(kind).match(kind, query.pairs())
        else:
            found = self.snapshot.all(kind.model) if narrow is None else self.snapshot.where(kind.model, **narrow)
            rows = [_stored(kind, item) for item in found]
        return self._overlay(rows, pending)

    def _overlay(self, rows: Iterable[Stored], pending: Iterable[Stored]) -> list[Stored]:
        kept = [self._read.setdefault(one.key, one) or one for one in rows if one.key not in self._pending]
        return [*kept, *pending]

    def _change(self, key: Key, after: Stored | None) -> Change:
        before = self._read.get(key)
        known = after or before
        assert known is not None  # noqa: S101 - `drop` keeps no deletion of what was never there
        return Change(
            known.kind,
            known.pk,
            before.values if before is not None else None,
            after.values if after is not None else None,
            self._notes.get(key),
        )


def _narrow(query: Query) -> Mapping[str, object] | None:
    """Return a plain text that narrows the search by an index, if there is one; `holds` has the last word."""
    for one in query.rest:
        field = one.field
        if not one.plain or field is None or field.many or not isinstance(one.value, str):
            continue
        if field.shape is Shape.TEXT and field.sealed is None:
            return {field.name: one.value}
    return None


def _stored(kind: Kind, item: Any) -> Stored:
    return Stored(kind, item.pk, kind.values(item))


def _references(one: Stored, target: Stored) -> Iterable[str]:
    for name, field in one.kind.fields.items():
        leads = field.reference is not None and target.kind.answers_to(field.reference.target)
        if leads and target.pk in targets(field, one.values.get(name)):
            yield name
