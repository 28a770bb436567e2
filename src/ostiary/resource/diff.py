"""The masked diff of two states of an object, for audit events, previews and revisions."""

from __future__ import annotations

from collections.abc import Mapping

from ostiary.record import dataclass
from ostiary.resource.codec import encode_canonical
from ostiary.resource.field import Field
from ostiary.resource.kind import Kind


@dataclass(frozen=True, slots=True)
class FieldDiff:
    """One field that differs. `before` and `after` are wire values with every secret as stars; None where absent."""

    field: str
    before: object
    after: object

    def document(self) -> dict[str, object]:
        """Return the diff as plain JSON."""
        return {"field": self.field, "before": self.before, "after": self.after}


def masked_diff(
    item: Kind, before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> tuple[FieldDiff, ...]:
    """Return the fields that differ, in the order of the definition.

    Secrets are compared in the clear and shown as stars, so that a changed secret is seen to have changed.
    `before` is None for a new object (all fields are listed), `after` for a deleted one.
    """
    return tuple(
        FieldDiff(name, _shown(field, before), _shown(field, after))
        for name, field in item.fields.items()
        if before is None or after is None or _clear(field, before) != _clear(field, after)
    )


def _shown(field: Field, values: Mapping[str, object] | None) -> object:
    if values is None or field.name not in values:
        return None
    return field.masked(values[field.name])


def _clear(field: Field, values: Mapping[str, object]) -> object:
    value = values.get(field.name)
    return encode_canonical(field.clear(value))
