"""Merging of claims: objects merge, lists are appended, of scalars the later one counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SCALARS: Final = frozenset({str, int, bool, float, type(None)})


def merge(into: dict[str, object], claims: Mapping[str, object]) -> dict[str, object]:
    """Merge `claims` into `into` and return it. `claims` is not changed; `into` gets copies."""
    for key, value in claims.items():
        if value.__class__ in _SCALARS:
            into[key] = value
            continue
        present = into.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            merge(present, value)
        elif isinstance(present, list) and isinstance(value, list | tuple):
            present.extend(_copy(item) for item in value)
        else:
            into[key] = _copy(value)
    return into


def _copy(value: object) -> object:
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item) for item in value]
    return value
