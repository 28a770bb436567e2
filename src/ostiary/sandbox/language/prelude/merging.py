"""Merging of attributes: dictionaries merge, lists are appended, of other values the upper one counts."""

from __future__ import annotations

from typing import Any


def ostiary_merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return both merged, as a new dictionary."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = ostiary_merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = old + value
        else:
            merged[name] = value
    return merged
