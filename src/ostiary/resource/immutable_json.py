"""Immutable JSON data, for values that many requests share.

Frozen mappings and lists are still dicts and lists, so that they compare, encode and read as such; a copy is plain.
"""

from __future__ import annotations

from typing import Any, NoReturn


def _refuse(*_: object, **__: object) -> NoReturn:
    message = "this value belongs to a snapshot and is shared; change a copy"
    raise TypeError(message)


class ImmutableMapping(dict[str, Any]):
    """A JSON object that refuses every change."""

    __slots__ = ()
    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, memo: object) -> dict[str, Any]:
        return {key: thaw(value) for key, value in self.items()}


class ImmutableList(list[Any]):
    """A JSON array that refuses every change."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __deepcopy__(self, memo: object) -> list[Any]:
        return [thaw(value) for value in self]


def freeze(value: object) -> object:
    """Return JSON data with every mapping and list frozen; other values as they are."""
    if isinstance(value, dict):
        return ImmutableMapping({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return ImmutableList(freeze(item) for item in value)
    return value


def thaw(value: object) -> object:
    """Return a plain copy of JSON data, to be changed at will."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value
