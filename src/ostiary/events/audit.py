"""The events of object changes: model_created, model_updated, model_deleted, with a masked diff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.events.event import event
from ostiary.events.masking import clean_text, cleanse
from ostiary.resource import Kind, Pk
from ostiary.resource.field import Shape
from ostiary.store.database import Statement

if TYPE_CHECKING:
    from ostiary.store.workspace.editor import Change

_FAMILIES: Final = ("stages", "policies", "providers", "sources")
_NOTHING: Final = object()


def audit_changes(changes: Sequence[Change], author: str, now: int) -> Iterable[Statement]:
    """Return one event per change. Secrets are masked, and unchanged fields omitted."""
    return [_audit(change, author=author, now=now) for change in changes]


def app_module(label: str) -> str:
    """Return authentik's dotted spelling of an app label: "authentik_stages_prompt" is "authentik.stages.prompt"."""
    for family in _FAMILIES:
        prefix = f"authentik_{family}_"
        if label.startswith(prefix):
            return f"authentik.{family}.{label.removeprefix(prefix)}"
    return label.replace("authentik_", "authentik.", 1)


def model(kind: Kind, pk: Pk, values: Mapping[str, object]) -> dict[str, object]:
    """Return the reference to an object in events: {"app", "model_name", "pk", "name"}."""
    name = values.get(kind.label_field) or pk
    return {"app": kind.app_label, "model_name": kind.model_name, "pk": str(pk), "name": clean_text(str(name), 256)}


def _audit(change: Change, *, author: str, now: int) -> Statement:
    action = "model_updated"
    if change.before is None:
        action = "model_created"
    elif change.after is None:
        action = "model_deleted"
    values = change.after if change.after is not None else change.before or {}
    context: dict[str, object] = {"model": model(change.kind, change.pk, values)}
    if action != "model_deleted":
        context["diff"] = dict(_difference(change))
    return event(
        action,
        user={"username": author},
        app=app_module(change.kind.app_label),
        context=context,
        client_ip=None,
        now=now,
        cleansed=True,
    )


def _difference(change: Change) -> Iterator[tuple[str, dict[str, object]]]:
    before, after = change.before, change.after or {}
    for name, field in change.kind.fields.items():
        old = (before or {}).get(name, _NOTHING)
        if before is None and not field.required:
            old = field.default()
        new = after.get(name, _NOTHING)
        if new is _NOTHING or old == new:
            continue
        entry = {"new_value": _masked_value(change.kind, name, new)}
        if before is not None and old is not _NOTHING:
            entry["previous_value"] = _masked_value(change.kind, name, old)
        yield name, entry


def _masked_value(kind: Kind, name: str, value: object) -> object:
    field = kind.fields[name]
    if value is None:
        return None
    masked = field.masked(value)
    # Fields are masked by their type. Only objects and texts without a schema need cleansing.
    return cleanse(masked) if field.shape in {Shape.OBJECT, Shape.RECORD} or field.sealed else _plain(masked)


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return clean_text(value) if isinstance(value, str) else value
