"""The configuration at one revision, in memory: immutable, shared by every request that began under it.

Objects are instances of the definition classes, with their secrets decrypted as `Secret`. They must not be changed.
A refreshed snapshot shares every unchanged object with its predecessor. Indexes and derived values (`memo`) are built
at first use and live as long as the snapshot.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from ostiary.resource import CASELESS, Kind, Pk, Registry, Resource
from ostiary.resource.codec import encode_canonical
from ostiary.resource.field import Field

T = TypeVar("T", bound=Resource)
V = TypeVar("V")


class Snapshot:
    """All configuration objects of one revision."""

    __slots__ = ("_memo", "_objects", "number", "registry")

    def __init__(self, *, registry: Registry, number: int, objects: Mapping[str, Mapping[Pk, Any]]) -> None:
        """Take objects by kind name and primary key, each kind in the order of its keys."""
        self.registry = registry
        self.number = number
        self._objects = objects
        self._memo: dict[Hashable, object] = {}

    @classmethod
    def of(cls, registry: Registry, objects: Iterable[Resource], *, number: int = 0) -> Snapshot:
        """Return a snapshot of loose objects, as tests and previews make them."""
        return cls(registry=registry, number=number, objects={}).changed(number=number, put=objects, drop=())

    def changed(self, *, number: int, put: Iterable[Resource], drop: Iterable[tuple[str, Pk]]) -> Snapshot:
        """Return the next snapshot: `drop` is removed first, then `put` is added or replaced; the rest is shared."""
        fresh: dict[str, dict[Pk, Resource]] = {}
        for name, pk in drop:
            fresh.setdefault(name, dict(self._objects.get(name, {}))).pop(pk, None)
        for item in put:
            name = item.KIND.name
            fresh.setdefault(name, dict(self._objects.get(name, {})))[item.pk] = item
        ordered = {name: dict(sorted(objects.items(), key=lambda pair: pair[0])) for name, objects in fresh.items()}
        return Snapshot(registry=self.registry, number=number, objects={**self._objects, **ordered})

    def get(self, model: type[T], pk: Pk) -> T | None:
        """Return one object of a kind."""
        return cast("T | None", self._objects.get(model.KIND.name, {}).get(pk))

    def all(self, model: type[T]) -> Sequence[T]:
        """Return all objects of a kind, in the order of their primary keys."""
        name = model.KIND.name
        return self.memo(("store.all", name), lambda: tuple(self._objects.get(name, {}).values()))

    def find(self, model: type[T], **fields: object) -> T | None:
        """Return the first object whose fields have these values; CASELESS fields ignore case."""
        found = self.where(model, **fields)
        return found[0] if found else None

    def where(self, model: type[T], **fields: object) -> Sequence[T]:
        """Return the objects whose fields have these values, from an index made once per set of fields."""
        names = tuple(sorted(fields))
        index = self.memo(("store.index", model.KIND.name, names), lambda: self._index(model, names))
        return index.get(index_key(model.KIND, {name: fields[name] for name in names}), ())

    def family(self, target: str) -> Sequence[Any]:
        """Return all objects a reference to `target`, a kind or a family, may lead to."""
        return self.memo(
            ("store.family", target),
            lambda: tuple(item for kind in self.registry.family(target) for item in self.all(kind.model)),
        )

    def resolve(self, target: str, pk: Pk) -> Resource | None:
        """Return the object a reference to `target` leads to."""
        index = self.memo(("store.resolve", target), lambda: self._members(target))
        return index.get(pk)

    def referring(self, model: type[T], field: str, pk: Pk) -> Sequence[T]:
        """Return the objects of a kind whose reference `field`, one key or several, names `pk`."""
        index = self.memo(("store.referring", model.KIND.name, field), lambda: self._reverse(model, field))
        return index.get(pk, ())

    def referrers(self, kind: Kind, pk: Pk) -> Sequence[tuple[Resource, Field]]:
        """Return all objects that refer to the object of that kind, also of a directory kind, and their fields."""
        return [
            (item, field)
            for source in self.registry
            if source.name in self._objects
            for field in source.fields.values()
            if field.reference is not None and kind.answers_to(field.reference.target)
            for item in self.referring(source.model, field.name, pk)
        ]

    def memo(self, key: Hashable, build: Callable[[], V]) -> V:
        """Return the cached result of `build` for this key and snapshot, built on first use."""
        try:
            return cast("V", self._memo[key])
        except KeyError:
            value = self._memo[key] = build()
            return value

    def _members(self, target: str) -> Mapping[Pk, Resource]:
        kinds = reversed(self.registry.family(target))  # of equal keys the first kind's counts
        return {pk: item for kind in kinds for pk, item in self._objects.get(kind.name, {}).items()}

    def _index(self, model: type[T], names: tuple[str, ...]) -> Mapping[tuple[Hashable, ...], Sequence[T]]:
        index: dict[tuple[Hashable, ...], list[T]] = {}
        for item in self.all(model):
            index.setdefault(index_key(model.KIND, {name: getattr(item, name) for name in names}), []).append(item)
        return index

    def _reverse(self, model: type[T], field: str) -> Mapping[Pk, Sequence[T]]:
        index: dict[Pk, list[T]] = {}
        for item in self.all(model):
            for pk in dict.fromkeys(targets(model.KIND.fields[field], getattr(item, field))):
                index.setdefault(pk, []).append(item)
        return index


def targets(field: Field, value: object) -> tuple[Pk, ...]:
    """Return the primary keys in a reference field."""
    if value is None:
        return ()
    return cast("tuple[Pk, ...]", value) if field.many else (cast("Pk", value),)


def fold(text: str) -> str:
    """Return the case key of a text: NFKC, casefold, and NFKC again (UTS #39 keys compare alike)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def index_key(kind: Kind, values: Mapping[str, object]) -> tuple[Hashable, ...]:
    """Return the values as an index compares them: caseless fields folded, lists and mappings as canonical JSON."""
    return tuple(_comparable(kind.fields.get(name), value) for name, value in values.items())


def _comparable(field: Field | None, value: object) -> Hashable:
    if isinstance(value, str) and field is not None and CASELESS in field.flags:
        return fold(value)
    if isinstance(value, list | tuple | Mapping):
        return encode_canonical(value if field is None else field.clear(value))
    return value
