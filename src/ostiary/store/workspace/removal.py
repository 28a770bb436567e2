"""Deletion of an object: what protects it, what is deleted with it, and which references are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from ostiary.record import dataclass
from ostiary.resource import OnDelete, Pk
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import Key, Referenced, Referrer, StoredObject
from ostiary.store.workspace.overlay import Overlay


@dataclass(slots=True)
class Removal:
    """The consequences of one delete. `deleted` has referrers before their targets, the object itself last."""

    deleted: dict[Key, StoredObject] = field(default_factory=dict)
    _visited: set[Key] = field(default_factory=set)
    _protectors: list[Referrer] = field(default_factory=list)
    _cuts: list[tuple[Referrer, Pk]] = field(default_factory=list)

    @classmethod
    async def plan(cls, overlay: Overlay, stored: StoredObject) -> Removal:
        """Return the consequences of deleting an object. Raises Referenced with all protecting objects."""
        removal = cls()
        await removal._collect(overlay, stored)
        protectors = [one for one in removal._protectors if one.stored.key not in removal.deleted]
        if protectors:
            raise Referenced(stored, protectors)
        return removal

    def cuts(self) -> Iterator[tuple[StoredObject, Mapping[str, object]]]:
        """Yield the objects that stay and lose a reference, with the new field values."""
        losers: dict[Key, tuple[StoredObject, dict[str, set[Pk]]]] = {}
        for one, pk in self._cuts:
            if one.stored.key not in self.deleted:
                _, fields = losers.setdefault(one.stored.key, (one.stored, {}))
                fields.setdefault(one.field, set()).add(pk)
        for stored, fields in losers.values():
            yield stored, {name: _without(stored, name, removed) for name, removed in fields.items()}

    async def _collect(self, overlay: Overlay, stored: StoredObject) -> None:
        self._visited.add(stored.key)
        for one in await overlay.referrers(stored):
            match _rule(one):
                case OnDelete.CASCADE:
                    if one.stored.key not in self._visited:
                        await self._collect(overlay, one.stored)
                case OnDelete.SET_NULL:
                    self._cuts.append((one, stored.pk))
                case _:
                    self._protectors.append(one)
        self.deleted[stored.key] = stored


def _rule(one: Referrer) -> OnDelete:
    definition = one.stored.kind.fields[one.field]
    if definition.reference is None:
        return OnDelete.PROTECT
    rule = definition.reference.on_delete
    if rule is OnDelete.SET_NULL and not (definition.nullable or definition.many):
        return OnDelete.PROTECT  # a required reference
    return rule


def _without(stored: StoredObject, name: str, removed: set[Pk]) -> object:
    definition = stored.kind.fields[name]
    if not definition.many:
        return None
    return tuple(pk for pk in targets(definition, stored.values.get(name)) if pk not in removed)
