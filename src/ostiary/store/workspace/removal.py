"""What goes with an object: who protects it, what is deleted with it, and which references are cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from ostiary.record import dataclass
from ostiary.resource import OnDelete, Pk
from ostiary.store.configuration.snapshot import targets
from ostiary.store.workspace.changes import Key, Referenced, Referrer, Stored
from ostiary.store.workspace.overlay import Overlay


@dataclass(slots=True)
class Removal:
    """The consequences of one delete. `doomed` has referrers before what they refer to, the object itself last."""

    doomed: dict[Key, Stored] = field(default_factory=dict)
    _seen: set[Key] = field(default_factory=set)
    _keepers: list[Referrer] = field(default_factory=list)
    _cuts: list[tuple[Referrer, Pk]] = field(default_factory=list)

    @classmethod
    async def plan(cls, view: Overlay, stored: Stored) -> Removal:
        """Return the consequences of deleting an object. Raises Referenced naming all who still need it."""
        removal = cls()
        await removal._doom(view, stored)
        keepers = [one for one in removal._keepers if one.stored.key not in removal.doomed]
        if keepers:
            raise Referenced(stored, keepers)
        return removal

    def cuts(self) -> Iterator[tuple[Stored, Mapping[str, object]]]:
        """Yield the objects that lose a reference but stay, with the fields' new values."""
        lost: dict[Key, tuple[Stored, dict[str, set[Pk]]]] = {}
        for one, pk in self._cuts:
            if one.stored.key not in self.doomed:
                _, fields = lost.setdefault(one.stored.key, (one.stored, {}))
                fields.setdefault(one.field, set()).add(pk)
        for stored, fields in lost.values():
            yield stored, {name: _without(stored, name, gone) for name, gone in fields.items()}

    async def _doom(self, view: Overlay, stored: Stored) -> None:
        self._seen.add(stored.key)
        for one in await view.referrers(stored):
            match _rule(one):
                case OnDelete.CASCADE:
                    if one.stored.key not in self._seen:
                        await self._doom(view, one.stored)
                case OnDelete.SET_NULL:
                    self._cuts.append((one, stored.pk))
                case _:
                    self._keepers.append(one)
        self.doomed[stored.key] = stored


def _rule(one: Referrer) -> OnDelete:
    definition = one.stored.kind.fields[one.field]
    if definition.reference is None:
        return OnDelete.PROTECT
    rule = definition.reference.on_delete
    if rule is OnDelete.SET_NULL and not (definition.nullable or definition.many):
        return OnDelete.PROTECT  # it cannot be without
    return rule


def _without(stored: Stored, name: str, gone: set[Pk]) -> object:
    definition = stored.kind.fields[name]
    if not definition.many:
        return None
    return tuple(pk for pk in targets(definition, stored.values.get(name)) if pk not in gone)
