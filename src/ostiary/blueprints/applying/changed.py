"""The changes of a blueprint, field by field, without secrets and without values of the environment."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final, Literal

from ostiary.blueprints.hiding import masked_text
from ostiary.record import dataclass
from ostiary.resource.diff import FieldDiff, masked_diff
from ostiary.store.configuration.documents import same
from ostiary.store.workspace.changes import Change

MAX_LENGTH: Final = 100  # characters of a value in a line
Sign = Literal["+", "~", "-"]


@dataclass(frozen=True, slots=True)
class Changed:
    """One created (+), changed (~) or deleted (-) object, with a line for each changed field."""

    sign: Sign
    label: str
    fields: tuple[str, ...] = ()


def changed(
    change: Change, before: Mapping[str, object] | None, *, label: str, revealed: Collection[str]
) -> Changed | None:
    """Describe the change since `before`, the state before this blueprint. None without a change."""
    kind, after = change.kind, change.after
    if after is None:
        return Changed("-", label)
    if before is None:
        defaults = {name: item.default() for name, item in kind.fields.items()}
        initial = masked_diff(kind, defaults, {**defaults, **after})
        return Changed("+", label, tuple(_line(one, revealed, new=True) for one in initial))
    if same(kind, before, after):
        return None
    return Changed("~", label, tuple(_line(one, revealed, new=False) for one in masked_diff(kind, before, after)))


def _line(one: FieldDiff, revealed: Collection[str], *, new: bool) -> str:
    after = _value_text(one.after, revealed)
    return f"{one.field}: {after}" if new else f"{one.field}: {_value_text(one.before, revealed)} -> {after}"


def _value_text(value: object, revealed: Collection[str]) -> str:
    text = masked_text(json.dumps(value, ensure_ascii=False, default=str), _spellings(revealed))
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."


def _spellings(revealed: Collection[str]) -> set[str]:
    """Return the texts as they are, and as JSON writes them."""
    return {*revealed, *(json.dumps(text, ensure_ascii=False)[1:-1] for text in revealed)}
