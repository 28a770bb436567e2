"""Revisions: the history of the configuration, with author, time, message and diff.

The diff of a revision is a JSON list with one entry per object: the masked changes (`fields`) and what a
roll-back needs (`before` and `after`: schema and body, with secrets still sealed).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from ostiary.record import dataclass
from ostiary.resource import Pk, Plane, Registry
from ostiary.resource.codec import decode, encode_canonical
from ostiary.resource.diff import masked_diff
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.documents import seal_body
from ostiary.store.database import Row
from ostiary.store.workspace.changes import Change, Key, normal_pk


@dataclass(frozen=True, slots=True)
class ObjectDiff:
    """The diff of one object in a revision. `fields` is masked; `before` and `after` are sealed, for a roll-back."""

    kind: str
    pk: Pk
    label: str
    action: str
    fields: Sequence[Mapping[str, object]]
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One commit. `created` is microseconds UTC, `author` is set by the caller."""

    number: int
    created: int
    author: str
    message: str
    entries: tuple[ObjectDiff, ...]


def write_diff(changes: Sequence[Change], sealer: Sealer) -> str:
    """Return the diff text of configuration changes."""
    return encode_canonical([_entry(change, sealer) for change in changes if change.kind.plane is Plane.CONFIG])


def read_revision(row: Row) -> Revision:
    """Return the revision of its row."""
    entries = cast("list[dict[str, Any]]", decode(str(row["diff"])))
    return Revision(
        number=int(row["number"]),
        created=int(row["created"]),
        author=str(row["author"]),
        message=str(row["message"]),
        entries=tuple(ObjectDiff(**entry) for entry in entries),
    )


def deletions(diff: str, registry: Registry) -> Iterator[Key]:
    """Yield the deleted objects of a diff whose kinds are known."""
    for entry in cast("list[dict[str, Any]]", decode(diff)):
        if entry["action"] == "deleted" and entry["kind"] in registry:
            pk = normal_pk(registry.get(entry["kind"]), entry["pk"])
            if pk is not None:
                yield entry["kind"], pk


def undone(diffs: Iterable[str], registry: Registry) -> Mapping[Key, Mapping[str, object] | None]:
    """Return the state (schema and body) of each object before all these diffs, None for one that did not exist.

    The diffs come newest first. Kinds that are not known here are left out.
    """
    states: dict[Key, Mapping[str, object] | None] = {}
    for diff in diffs:
        for entry in cast("list[dict[str, Any]]", decode(diff)):
            pk = normal_pk(registry.get(entry["kind"]), entry["pk"]) if entry["kind"] in registry else None
            if pk is not None:
                states[entry["kind"], pk] = entry["before"]
    return states


def _entry(change: Change, sealer: Sealer) -> dict[str, object]:
    return {
        "kind": change.kind.name,
        "pk": change.pk,
        "label": change.label,
        "action": change.action,
        "fields": [one.document() for one in masked_diff(change.kind, change.before, change.after)],
        "before": _state(change, change.before, sealer),
        "after": _state(change, change.after, sealer),
    }


def _state(change: Change, values: Mapping[str, object] | None, sealer: Sealer) -> dict[str, object] | None:
    if values is None:
        return None
    return {"schema": change.kind.schema, "body": seal_body(change.kind, change.pk, values, sealer)}
