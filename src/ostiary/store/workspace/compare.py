"""Comparison in look-ups: the operators of Django's look-ups, and containment of JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from ostiary.resource import CASELESS
from ostiary.resource.field import Field, Shape
from ostiary.store.configuration.snapshot import fold

EXACT: Final = "exact"
IS_NULL: Final = "isnull"

_TEXT_COMPARISONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_ORDER_COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
OPERATORS: Final = frozenset(
    {
        EXACT,
        IS_NULL,
        "iexact",
        "in",
        *_TEXT_COMPARISONS,
        *_ORDER_COMPARISONS,
        *(f"i{name}" for name in _TEXT_COMPARISONS),
    }
)


def matches(comparison: str, field: Field | None, value: object, expected: object) -> bool:
    """Return whether a value satisfies a comparison. `field` is None for a part of JSON data.

    A list matches when one of its items does. Incomparable values, such as a text and a number, do not match.
    """
    if comparison == EXACT:
        return contains(value, expected) if field is None else equals(field, value, expected)
    if comparison == "in":
        return isinstance(expected, list | tuple) and any(matches(EXACT, field, value, one) for one in expected)
    if value is None or expected is None:
        return False
    if comparison == "contains" and (field is None or field.shape is Shape.OBJECT) and not isinstance(value, str):
        return contains(value, expected)
    items = value if isinstance(value, list | tuple) else (value,)
    return any(_compare_item(comparison, field, item, expected) for item in items)


def equals(field: Field, value: object, expected: object) -> bool:
    """Return whether a field's value equals the expected one, or, for lists and mappings, contains it."""
    if value is None or expected is None:
        return value is expected
    if field.shape is Shape.OBJECT and not field.many:
        return contains(value, expected)
    if field.many and isinstance(value, tuple):
        if isinstance(expected, list | tuple):
            return len(expected) == len(value) and all(
                _item_equals(field, a, b) for a, b in zip(value, expected, strict=True)
            )
        return any(_item_equals(field, item, expected) for item in value)
    return _item_equals(field, value, expected)


def contains(value: object, expected: object) -> bool:
    """Return whether JSON data contains other data, as PostgreSQL's @> does: members and items, at every level."""
    if isinstance(expected, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and contains(value[key], item) for key, item in expected.items()
        )
    if isinstance(expected, list | tuple):
        return isinstance(value, list | tuple) and all(any(contains(a, item) for a in value) for item in expected)
    return value == expected and isinstance(value, bool) == isinstance(expected, bool)


def _compare_item(comparison: str, field: Field | None, value: object, expected: object) -> bool:
    if comparison in _ORDER_COMPARISONS:
        parsed = expected if field is None else _parsed(field, expected)
        alike = isinstance(value, str) == isinstance(parsed, str) and parsed is not None
        return alike and isinstance(value, str | int | float) and _ORDER_COMPARISONS[comparison](value, parsed)
    if not isinstance(value, str | int) or not isinstance(expected, str | int | float):
        return False  # above all a secret, which could be guessed letter by letter
    text, part = str(value), str(expected)
    if comparison == "iexact":
        return fold(text) == fold(part)
    if comparison in _TEXT_COMPARISONS:
        return _TEXT_COMPARISONS[comparison](text, part)
    return _TEXT_COMPARISONS[comparison.removeprefix("i")](fold(text), fold(part))


def _parsed(field: Field, expected: object) -> object:
    try:
        return field.item(expected)
    except ValueError:
        return None


def _item_equals(field: Field, value: object, expected: object) -> bool:
    if field.shape is Shape.KEY:
        return str(value).lower() == str(expected).lower()
    parsed = _parsed(field, expected)
    if CASELESS in field.flags and isinstance(value, str) and isinstance(parsed, str):
        return fold(value) == fold(parsed)
    return parsed is not None and value == parsed
