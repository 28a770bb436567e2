"""How a look-up compares a value with the wanted one: the operators of Django's look-ups, and containment of JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, Final

from ostiary.resource import CASELESS
from ostiary.resource.field import Field, Shape
from ostiary.store.configuration.snapshot import fold

EXACT: Final = "exact"
IS_NULL: Final = "isnull"

_TEXTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "contains": lambda text, part: part in text,
    "startswith": str.startswith,
    "endswith": str.endswith,
}
_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
OPERATORS: Final = frozenset({EXACT, IS_NULL, "iexact", "in", *_TEXTS, *_ORDERS, *(f"i{name}" for name in _TEXTS)})


def compared(how: str, field: Field | None, value: object, wanted: object) -> bool:
    """Tell whether a value is as wanted. `field` is None for a part of JSON data.

    A list counts when one of its items does. What cannot be compared, such as a text with a number, does not hold.
    """
    if how == EXACT:
        return contains(value, wanted) if field is None else equals(field, value, wanted)
    if how == "in":
        return isinstance(wanted, list | tuple) and any(compared(EXACT, field, value, one) for one in wanted)
    if value is None or wanted is None:
        return False
    if how == "contains" and (field is None or field.shape is Shape.OBJECT) and not isinstance(value, str):
        return contains(value, wanted)
    items = value if isinstance(value, list | tuple) else (value,)
    return any(_one(how, field, item, wanted) for item in items)


def equals(field: Field, value: object, wanted: object) -> bool:
    """Tell whether a field's value is the wanted one, or, for lists and mappings, contains it."""
    if value is None or wanted is None:
        return value is wanted
    if field.shape is Shape.OBJECT and not field.many:
        return contains(value, wanted)
    if field.many and isinstance(value, tuple):
        if isinstance(wanted, list | tuple):
            return len(wanted) == len(value) and all(_equal(field, a, b) for a, b in zip(value, wanted, strict=True))
        return any(_equal(field, item, wanted) for item in value)
    return _equal(field, value, wanted)


def contains(value: object, wanted: object) -> bool:
    """Tell whether JSON data contains other data, as PostgreSQL's @> does: members and items, at every level."""
    if isinstance(wanted, Mapping):
        return isinstance(value, Mapping) and all(
            key in value and contains(value[key], item) for key, item in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return isinstance(value, list | tuple) and all(any(contains(a, item) for a in value) for item in wanted)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _one(how: str, field: Field | None, value: object, wanted: object) -> bool:
    if how in _ORDERS:
        parsed = wanted if field is None else _parsed(field, wanted)
        alike = isinstance(value, str) == isinstance(parsed, str) and parsed is not None
        return alike and isinstance(value, str | int | float) and _ORDERS[how](value, parsed)
    if not isinstance(value, str | int) or not isinstance(wanted, str | int | float):
        return False  # a secret above all: nobody finds it out letter by letter
    text, part = str(value), str(wanted)
    if how == "iexact":
        return fold(text) == fold(part)
    if how in _TEXTS:
        return _TEXTS[how](text, part)
    return _TEXTS[how.removeprefix("i")](fold(text), fold(part))


def _parsed(field: Field, wanted: object) -> object:
    try:
        return field.item(wanted)
    except ValueError:
        return None


def _equal(field: Field, value: object, wanted: object) -> bool:
    if field.shape is Shape.KEY:
        return str(value).lower() == str(wanted).lower()
    parsed = _parsed(field, wanted)
    if CASELESS in field.flags and isinstance(value, str) and isinstance(parsed, str):
        return fold(value) == fold(parsed)
    return parsed is not None and value == parsed
