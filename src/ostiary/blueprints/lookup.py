"""How blueprints name objects: look-ups, the many names of primary keys, and the first object that matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from ostiary.resource import Kind, Pk


class Found(Protocol):
    """What a look-up gives (`store.workspace.Stored`)."""

    @property
    def kind(self) -> Kind:  # pragma: no cover - a protocol
        """The kind."""
        ...

    @property
    def pk(self) -> Pk:  # pragma: no cover - a protocol
        """The primary key."""
        ...

    @property
    def values(self) -> Mapping[str, object]:  # pragma: no cover - a protocol
        """The field values."""
        ...


T = TypeVar("T", bound=Found)


def first_match(found: Sequence[T], lookups: Sequence[tuple[str, object]]) -> T | None:
    """Return the first object; look-ups of the primary key must hold as well."""
    wanted = [str(value) for name, value in lookups if name == "pk"]
    return next((one for one in found if all(str(one.pk) == pk for pk in wanted)), None)


def but_pk(lookups: Sequence[tuple[str, object]]) -> Sequence[tuple[str, object]]:
    """Return what to ask for: without the primary key, which is an alternative to the rest, not a condition."""
    return [pair for pair in lookups if pair[0] != "pk"] or lookups


def shown(found: Found) -> dict[str, object]:
    """Return an object as API v3 shows it: the primary key and every field."""
    fields = found.kind.fields
    body = {name: item.wire(found.values[name]) for name, item in fields.items() if name in found.values}
    return {"pk": found.pk, **body}


_PK_NAMES: Final = frozenset(
    {
        "id",
        "brand_uuid",
        "flow_uuid",
        "fsb_uuid",
        "group_uuid",
        "instance_uuid",
        "kp_uuid",
        "pbm_uuid",
        "pm_uuid",
        "policy_binding_uuid",
        "policy_uuid",
        "prompt_uuid",
        "stage_uuid",
        "token_uuid",
    }
)
"""Columns of primary keys in authentik, where each model has a name of its own for it."""


def lookup_name(name: str) -> str:
    """Return the name of a look-up; authentik's columns of primary keys are one name here."""
    first, separator, rest = name.partition("__")
    if first in _PK_NAMES:
        return f"pk{separator}{rest}"
    last = rest.rpartition("__")
    if last[2] in _PK_NAMES | {"pk"}:  # target__pk is target
        return first + (f"__{last[0]}" if last[0] else "")
    return name
