"""The map of primary keys, from those in a file to those of this installation.

An entry may name a `pk` beside other identifiers, as exports do. When the object has another key here, everything
later in the file that names the key means this object, as in authentik. authentik replaces any equal value. Here UUIDs
are replaced in references and in free data, and numbers only where they refer to an object of the kind.
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

    _replacements: dict[Pk, list[tuple[Kind, Pk]]] = field(default_factory=dict)

    def note(self, kind: Kind, file_pk: object, pk: Pk) -> None:
        """Remember the primary key that an entry names (`file_pk`) and the one the object has here (`pk`)."""
        key = normal_pk(kind, file_pk)
        if key is not None and key != pk:
            self._replacements.setdefault(key, []).append((kind, pk))

    def identifiers(self, kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
        """Return the identifiers of an entry with the keys of this installation."""
        replaced = self.attributes(kind, values)
        for name, value in replaced.items():
            if name == "pk":
                replaced[name] = self._replace_key(value, kind.name)
            elif name.rpartition("__")[2] == "pk":
                replaced[name] = self._replace_uuids(value)
            elif kind.fields.get(name) is not None and kind.fields[name].reference is not None:
                replaced[name] = value["pk"] if isinstance(value, Mapping) and "pk" in value else value  # !FindObject
        return replaced

    def attributes(self, kind: Kind, values: Mapping[str, object]) -> dict[str, object]:
        """Return the values of an entry with the keys of this installation."""
        if not self._replacements:
            return dict(values)
        return {name: self._value(kind.fields.get(name), value) for name, value in values.items()}

    def _value(self, item: Field | None, value: object) -> object:
        if item is None:
            return value
        if item.reference is not None:
            target = item.reference.target
            if isinstance(value, list):
                return [self._replace_key(one, target) for one in value]
            return self._replace_key(value, target)
        return self._replace_inside(value) if item.shape is Shape.OBJECT else value

    def _replace_key(self, value: object, target: str) -> object:
        """Return the key of an object of the target, a kind or a family; any UUID of the file counts."""
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        for kind, pk in self._replacements.get(_key(value), ()):
            if kind.answers_to(target) or kind.numbering is Numbering.UUID:
                return pk
        return value

    def _replace_uuids(self, value: object) -> object:
        """Return the key a UUID stands for; numbers are left alone, for they may be anything."""
        if isinstance(value, list):
            return [self._replace_uuids(one) for one in value]
        if not isinstance(value, str):
            return value
        key = _key(value)
        return self._replacements[key][0][1] if isinstance(key, str) and key in self._replacements else value

    def _replace_inside(self, value: object) -> object:
        if isinstance(value, Mapping):
            return {name: self._replace_inside(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._replace_inside(one) for one in value]
        return self._replace_uuids(value)


def _key(value: str | int) -> Pk:
    text = str(value)
    try:
        return int(text) if len(text) <= _MAX_NUMBER_LENGTH and text.isdecimal() else str(uuid.UUID(text))
    except ValueError:
        return text


_MAX_NUMBER_LENGTH = 20
