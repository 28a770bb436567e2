"""Look-ups of blueprints: their names, the aliases of primary keys, and the choice among several matches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, TypeVar

from ostiary.resource import Kind, Pk
from ostiary.store.ordered_key import age


class Match(Protocol):
    """The result of a look-up (`store.workspace.changes.Stored`)."""

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


T = TypeVar("T", bound=Match)


def best_match(candidates: Sequence[T], lookups: Sequence[tuple[str, object]]) -> tuple[T | None, str]:
    """Return the best match, and a notice when there are several: a managed object, else the oldest.

    The same look-up gives the same object later, because younger objects come after it. Look-ups of the
    primary key must hold as well.
    """
    primary_keys = [str(value).lower() for name, value in lookups if name == "pk"]
    # guard: A57 of several matches the managed object is used
    matches = sorted(
        (one for one in candidates if all(str(one.pk) == pk for pk in primary_keys)),
        key=lambda one: (not one.values.get("managed"), age(one.pk)),
    )
    if len(matches) < 2:  # noqa: PLR2004 - several
        return (matches[0] if matches else None), ""
    first = matches[0]
    why = "which is managed" if first.values.get("managed") else "the oldest"
    better = "managed or name" if "managed" in first.kind.fields else "something that only one has"
    name = first.values.get(first.kind.label_field) or first.pk
    return first, f"matches {len(matches)} objects, and means {name}, {why}; look for {better} to be sure"


def but_pk(lookups: Sequence[tuple[str, object]]) -> Sequence[tuple[str, object]]:
    """Return the look-ups without the primary key, which is an alternative to the others."""
    return [pair for pair in lookups if pair[0] != "pk"] or lookups


def as_api_object(match: Match) -> dict[str, object]:
    """Return an object as in API v3: the primary key and every field."""
    fields = match.kind.fields
    body = {name: item.wire(match.values[name]) for name, item in fields.items() if name in match.values}
    return {"pk": match.pk, **body}


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
    """Return the canonical name of a look-up; authentik's primary-key columns are all "pk" here."""
    first, *rest = name.split("__")
    if first in _PK_NAMES:
        return "__".join(["pk", *rest])
    keys = [index for index, part in enumerate(rest) if part in _PK_NAMES - {"id"}]  # "id" may be a member of JSON data
    if keys:
        rest[keys[-1]] = "pk"
    return "__".join([first, *rest])
