"""The map of primary keys, from those in a file to those of this installation.

An entry may name a `pk` beside other identifiers, as exports do. When another object is meant here, everything later
in the file that names this key means that object, as in authentik. There any equal value is replaced; here texts of
UUIDs in references and in free data, and numbers only where they refer to an object of the kind.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import field

from ostiary.record import dataclass
from ostiary.resource import Kind, Numbering, Pk
from ostiary.resource.field import Field, Shape
from ostiary.store.workspace.changes import normal_pk


@dataclass(slots=True)
class PrimaryKeys:
    """The primary keys of one file so far."""

    _here: dict[Pk, list[tuple[Kind, Pk]]] = field(default_factory=dict)

    def note(self, kind: Kind, named: object, pk: Pk) -> None:
        """Remember what an entry called an object that has the key `pk` here."""
        key = normal_pk(kind, named)
        if key is not None and key != pk:
            self._here.setdefault(key, []).append((kind, pk))

    def identifiers(self, kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
        """Return the identifiers of an entry with the keys of this installation."""
        found = self.attributes(kind, values)
        for name, value in found.items():
            if name == "pk":
                found[name] = self._known(value, kind.name)
            elif name.rpartition("__")[2] == "pk":
                found[name] = self._text(value)
            elif kind.fields.get(name) is not None and kind.fields[name].reference is not None:
                found[name] = value["pk"] if isinstance(value, Mapping) and "pk" in value else value  # !FindObject
        return found

    def attributes(self, kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
        """Return the values of an entry with the keys of this installation."""
        if not self._here:
            return dict(values)
        return {name: self._value(kind.fields.get(name), value) for name, value in values.items()}

    def _value(self, item: Field | None, value: object) -> object:
        if item is None:
            return value
        if item.reference is not None:
            target = item.reference.target
            if isinstance(value, list):
                return [self._known(one, target) for one in value]
            return self._known(value, target)
        return self._inside(value) if item.shape is Shape.OBJECT else value

    def _known(self, value: object, target: str) -> object:
        """Return the key of an object of the target, a kind or a family; any UUID of the file counts."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        for kind, pk in self._here.get(_key(value), ()):
            if kind.answers_to(target) or kind.numbering is Numbering.UUID:
                return pk
        return value

    def _text(self, value: object) -> object:
        """Return the key a UUID stands for; numbers are left alone, for they may be anything."""
        if isinstance(value, list):
            return [self._text(one) for one in value]
        if not isinstance(value, str):
            return value
        key = _key(value)
        return self._here[key][0][1] if isinstance(key, str) and key in self._here else value

    def _inside(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: self._inside(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._inside(one) for one in value]
        return self._text(value)


def _key(value: str | int) -> Pk:
    text = str(value)
    try:
        return int(text) if len(text) <= _LONGEST_NUMBER and text.isdecimal() else str(uuid.UUID(text))
    except ValueError:
        return text


_LONGEST_NUMBER = 20
