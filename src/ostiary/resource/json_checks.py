"""Validation of plain data: texts and JSON values that both databases and every JSON parser can represent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

_DEPTH: Final = 32
_NODES: Final = 100_000


def require_text(text: str) -> None:
    """Refuse what one of the databases cannot store: NUL and lone surrogates. Raises ValueError."""
    if "\0" in text:
        message = "must not contain NUL"
        raise ValueError(message)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = "must be valid Unicode"
        raise ValueError(message) from error


def require_json(value: object) -> object:
    """Return a copy of plain JSON data, with tuples as lists.

    Raises ValueError for anything else: other types, numbers that are not finite or exceed 64 bits, more than 32
    levels, or more than 100,000 nodes (aliases in YAML can make a small text very large).
    """
    return _copy_json(value, 0, iter(range(_NODES)))


def _copy_json(value: object, depth: int, budget: Iterator[int]) -> object:
    if depth > _DEPTH or next(budget, None) is None:
        raise ValueError("is nested too deeply" if depth > _DEPTH else "is too large")
    if isinstance(value, str):
        require_text(value)
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if not (math.isfinite(value) if isinstance(value, float) else -(2**63) <= value < 2**63):
            raise ValueError("holds a number that JSON cannot keep")
        return value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"keys must be texts, not {name_of(key)}")  # noqa: TRY004 - as all field problems
            require_text(key)
        return {key: _copy_json(item, depth + 1, budget) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_copy_json(item, depth + 1, budget) for item in value]
    raise ValueError(f"cannot hold {name_of(value)}")


def name_of(value: object) -> str:
    """Return the type of a value, in words for error messages."""
    names = {str: "a text", bool: "true/false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return "null" if value is None else names.get(type(value), type(value).__name__)
