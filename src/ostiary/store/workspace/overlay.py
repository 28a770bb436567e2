"""The view of a unit of work: snapshot and directory backends, overlaid with pending changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ostiary.resource import Kind, Pk, Plane, Registry, UnknownKind
from ostiary.resource.field import Shape
from ostiary.store.configuration.documents import same
from ostiary.store.configuration.snapshot import Snapshot, index_key, targets
from ostiary.store.workspace.changes import Backend, Change, Key, Referrer, StoredObject, normal_pk
from ostiary.store.workspace.lookup import Query, holds
from ostiary.store.workspace.pending import Pending


class Overlay:
    """Reads of a unit of work, including its pending changes."""

    def __init__(self, registry: Registry, snapshot: Snapshot, backends: Mapping[str, Backend]) -> None:
        self.registry = registry
        self.snapshot = snapshot
        self._backends = backends
        self._read: dict[Key, StoredObject | None] = {}  # the state before the changes
        self._pending = Pending()
        self._notes: dict[Key, object] = {}

    @property
    def changes(self) -> tuple[Change, ...]:
        """The pending changes, in order."""
        return tuple(self._change(key, after) for key, after in self._pending.items())

    def backend(self, kind: Kind) -> Backend:
        """Return the backend of a directory kind. Raises UnknownKind without one."""
        try:
            return self._backends[kind.name]
        except KeyError:
            raise UnknownKind(f"{kind.name} has no backend") from None

    def kinds(self, target: str) -> tuple[Kind, ...]:
        """Return the kinds of a target, a kind or a family. Raises UnknownKind."""
        kinds = self.registry.family(target)
        if not kinds:
            raise UnknownKind(target)
        return kinds

    async def get(self, kind: Kind, pk: Pk) -> StoredObject | None:
        """Return an object with its pending changes."""
        key = (kind.name, pk)
        if key in self._pending:
            return self._pending[key]
        if key not in self._read:
            self._read[key] = await self._original(kind, pk)
        return self._read[key]

    async def resolve(self, target: str, pk: object) -> StoredObject | None:
        """Return the target of a reference, with its key in any spelling. Raises UnknownKind."""
        for kind in self.kinds(target):
            key = normal_pk(kind, pk)
            if key is not None and (stored := await self.get(kind, key)) is not None:
                return stored
        return None

    async def match(self, kind: Kind, query: Query) -> Sequence[StoredObject]:
        """Return the matching objects; the one with the key comes first."""
        matches: dict[Key, StoredObject] = {}
        if query.pk is not None and (by_key := await self.get(kind, query.pk)) is not None:
            matches[by_key.key] = by_key
        if query.rest or not query.by_pk:
            for one in await self._candidates(kind, query):
                if one.key not in matches and await holds(one, query, self.resolve, self.referrers):
                    matches[one.key] = one
        return tuple(matches.values())

    async def equal(self, kind: Kind, values: Mapping[str, object]) -> Sequence[StoredObject]:
        """Return the objects of a kind with these field values, compared as for uniqueness."""
        if kind.plane is Plane.CONFIG:
            rows = [_stored(kind, item) for item in self.snapshot.where(kind.model, **values)]
        else:
            rows = list(await self.backend(kind).match(kind, list(values.items())))
        key = index_key(kind, values)
        return [
            one
            for one in self._with_pending(rows, self._pending.where(kind, values))
            if index_key(kind, {name: one.values[name] for name in values}) == key
        ]

    async def referrers(self, stored: StoredObject) -> Sequence[Referrer]:
        """Return the objects of both planes that refer to an object."""
        referrers = [
            Referrer(_stored(item.KIND, item), field.name)
            for item, field in self.snapshot.referrers(stored.kind, stored.pk)
        ]
        for backend in {id(one): one for one in self._backends.values()}.values():
            referrers.extend(await backend.referring(stored.kind, stored.pk))
        referrers = [one for one in referrers if one.stored.key not in self._pending]
        for one in self._pending.objects():
            referrers.extend(Referrer(one, name) for name in _references(one, stored))
        return referrers

    def put(self, stored: StoredObject, note: object = None) -> StoredObject:
        """Record the new state of an object; a state equal to the stored one is no change. See `Change.note`."""
        if note is not None:
            self._notes[stored.key] = note
        before = self._read.setdefault(stored.key, None)
        if before is not None and same(stored.kind, before.values, stored.values):
            self._pending.remove(stored.key)
            return before
        self._pending.set(stored.key, stored)
        return stored

    def drop(self, stored: StoredObject) -> None:
        """Record the deletion of an object."""
        self._pending.remove(stored.key)
        if self._read.setdefault(stored.key, stored) is not None:  # an object created by this work just vanishes
            self._pending.set(stored.key, None)

    def pending(self) -> dict[Key, StoredObject | None]:
        """Return a copy of the pending changes, for `restore`."""
        return dict(self._pending.items())

    def restore(self, pending: Mapping[Key, StoredObject | None]) -> None:
        """Roll back to earlier pending changes."""
        self._pending = Pending(pending)

    async def _original(self, kind: Kind, pk: Pk) -> StoredObject | None:
        if kind.plane is Plane.DIRECTORY:
            return await self.backend(kind).get(kind, pk)
        item = self.snapshot.get(kind.model, pk)
        return None if item is None else _stored(kind, item)

    async def _candidates(self, kind: Kind, query: Query) -> Iterable[StoredObject]:
        narrow = _narrow(query)
        pending = self._pending.of(kind) if narrow is None else self._pending.where(kind, narrow)
        if kind.plane is Plane.DIRECTORY:
            rows: Sequence[StoredObject] = await self.backend(kind).match(kind, query.pairs())
        else:
            items = self.snapshot.all(kind.model) if narrow is None else self.snapshot.where(kind.model, **narrow)
            rows = [_stored(kind, item) for item in items]
        return self._with_pending(rows, pending)

    def _with_pending(self, rows: Iterable[StoredObject], pending: Iterable[StoredObject]) -> list[StoredObject]:
        unchanged = [self._read.setdefault(one.key, one) or one for one in rows if one.key not in self._pending]
        return [*unchanged, *pending]

    def _change(self, key: Key, after: StoredObject | None) -> Change:
        before = self._read.get(key)
        stored = after or before
        assert stored is not None  # noqa: S101 - `drop` keeps no deletion of what was never there
        return Change(
            stored.kind,
            stored.pk,
            before.values if before is not None else None,
            after.values if after is not None else None,
            self._notes.get(key),
        )


def _narrow(query: Query) -> Mapping[str, object] | None:
    """Return a text field to search by index, if there is one; `holds` decides."""
    for one in query.rest:
        field = one.field
        if not one.is_simple or field is None or field.many or not isinstance(one.value, str):
            continue
        if field.shape is Shape.TEXT and field.sealed is None:
            return {field.name: one.value}
    return None


def _stored(kind: Kind, item: Any) -> StoredObject:
    return StoredObject(kind, item.pk, kind.values(item))


def _references(one: StoredObject, target: StoredObject) -> Iterable[str]:
    for name, field in one.kind.fields.items():
        refers = field.reference is not None and target.kind.answers_to(field.reference.target)
        if refers and target.pk in targets(field, one.values.get(name)):
            yield name
