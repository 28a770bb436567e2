"""The pending changes of a unit of work, indexed by key, by kind and by field values.

A blueprint of a thousand applications looks for an existing object a thousand times. Without indexes each look-up would
scan all earlier ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from ostiary.resource import Kind
from ostiary.store.configuration.snapshot import index_key
from ostiary.store.workspace.changes import Key, StoredObject

_Bucket = dict[Key, StoredObject]


class Pending:
    """Objects by key, in the order of their first change; None is a deletion."""

    def __init__(self, entries: Mapping[Key, StoredObject | None] | None = None) -> None:
        self._entries: dict[Key, StoredObject | None] = {}
        self._kinds: dict[str, _Bucket] = {}
        self._indexes: dict[str, dict[tuple[str, ...], dict[tuple[Hashable, ...], _Bucket]]] = {}
        for key, stored in (entries or {}).items():
            self.set(key, stored)

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def __getitem__(self, key: Key) -> StoredObject | None:
        return self._entries[key]

    def items(self) -> Iterable[tuple[Key, StoredObject | None]]:
        """Return all entries."""
        return self._entries.items()

    def objects(self) -> Iterator[StoredObject]:
        """Yield the objects that are not deleted."""
        return (one for one in self._entries.values() if one is not None)

    def of(self, kind: Kind) -> Iterable[StoredObject]:
        """Return the objects of a kind."""
        return self._kinds.get(kind.name, {}).values()

    def where(self, kind: Kind, values: Mapping[str, object]) -> Iterable[StoredObject]:
        """Return the objects of a kind whose fields have these values, compared as in `Snapshot.where`."""
        names = tuple(sorted(values))
        indexes = self._indexes.setdefault(kind.name, {})
        if names not in indexes:
            indexes[names] = {}
            for one in self.of(kind):
                _add(indexes[names], names, one)
        return indexes[names].get(index_key(kind, {name: values[name] for name in names}), {}).values()

    def set(self, key: Key, stored: StoredObject | None) -> None:
        """Record the new state of an object."""
        self._forget(key, stored)
        self._entries[key] = stored
        if stored is not None:
            self._kinds.setdefault(stored.kind.name, {})[key] = stored
            for names, index in self._indexes.get(stored.kind.name, {}).items():
                _add(index, names, stored)

    def remove(self, key: Key) -> None:
        """Remove the entry of an object."""
        if key in self._entries:
            self._forget(key, None)
            del self._entries[key]

    def _forget(self, key: Key, following: StoredObject | None) -> None:
        """Remove an object from the indexes; from that of its kind only when no new state follows."""
        before = self._entries.get(key)
        if before is None:
            return
        if following is None:
            del self._kinds[before.kind.name][key]
        for names, index in self._indexes.get(before.kind.name, {}).items():
            index[_values(names, before)].pop(key)


def _add(index: dict[tuple[Hashable, ...], _Bucket], names: tuple[str, ...], stored: StoredObject) -> None:
    index.setdefault(_values(names, stored), {})[stored.key] = stored


def _values(names: tuple[str, ...], stored: StoredObject) -> tuple[Hashable, ...]:
    return index_key(stored.kind, {name: stored.values.get(name) for name in names})
