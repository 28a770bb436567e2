"""The conversion of values into the sandbox and out of it.

Output is untrusted: it may contain one list a million times, or a text as large as the worker's memory. So it is copied
up to a limit, and only types of plain data are allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from ostiary.sandbox.workers.budget import Spent
from ostiary.sandbox.workers.host import HostObject
from ostiary.sandbox.workers.host_proxies import HostProxy
from ostiary.sandbox.workers.outcome import AbortReason

_ATOMS: Final = frozenset({bool, int, float, type(None), str, bytes, datetime, date, time, timedelta, Decimal})
_SIZED: Final = frozenset({str, bytes})
_MAX_NUMBER_BITS: Final = 4096  # bits; Python does not print numbers of more than 4,300 digits

_COLLECTIONS: Final[tuple[tuple[Any, Callable[[list[object]], object]], ...]] = (
    (list, list),
    (tuple, tuple),
    (set, set),
    (frozenset, frozenset),
)
MAX_DEPTH: Final = 100
"""The maximum nesting of values, in both directions."""


class NoValue(TypeError):
    """A value of the host that cannot be passed to the sandbox. This is an error of the caller."""


def inwards(value: object, wrap: Callable[[HostObject], object], depth: int = 0) -> object:
    """Return a value as the client of the worker takes it. Raises NoValue.

    Objects go through `wrap`; UUIDs become text, mappings dicts.
    """
    if type(value) in _ATOMS:
        return value
    if depth > MAX_DEPTH:
        raise NoValue("a value is nested too deeply")
    if isinstance(value, HostObject):
        return wrap(value)
    if isinstance(value, Mapping):
        return {inwards(key, wrap, depth + 1): inwards(one, wrap, depth + 1) for key, one in value.items()}
    for kind, kept in _COLLECTIONS:
        if isinstance(value, kind):
            return kept([inwards(one, wrap, depth + 1) for one in value])
    if isinstance(value, str | UUID):
        return str(value)
    raise NoValue(f"a {type(value).__name__} cannot go into the sandbox")


class Outwards:
    """Copies values that leave the sandbox, up to a number of items and characters together."""

    def __init__(self, limit: int) -> None:
        self._left = limit

    def copy(self, value: Any, depth: int = 0) -> object:
        """Return a copy. Raises Spent."""
        kind = type(value)
        self._take(1 + len(value) if kind in _SIZED else 1)
        if (kind is int and value.bit_length() > _MAX_NUMBER_BITS) or (kind is Decimal and not _is_modest(value)):
            raise Spent(AbortReason.RESULT, "a number is too large to leave the sandbox")
        if kind in _ATOMS:
            return value
        if isinstance(value, HostProxy):
            return value.one
        if depth > MAX_DEPTH:
            raise Spent(AbortReason.RESULT, "a value is nested too deeply")
        if kind is dict:
            return {self.copy(key, depth + 1): self.copy(one, depth + 1) for key, one in value.items()}
        if kind in (list, set, frozenset):
            return kind(self.copy(one, depth + 1) for one in value)
        if isinstance(value, tuple):
            return tuple([self.copy(one, depth + 1) for one in value])
        raise Spent(AbortReason.RESULT, f"a {_name(value)} cannot leave the sandbox")

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise Spent(AbortReason.RESULT, "a value is too large to leave the sandbox")


def _is_modest(value: Decimal) -> bool:
    """Tell whether a number can be made an integer, or hashed, without filling the memory."""
    return (
        value.is_finite()
        and abs(value.adjusted()) <= _MAX_NUMBER_BITS
        and len(value.as_tuple().digits) <= _MAX_NUMBER_BITS
    )


def _name(value: object) -> str:
    kind = type(value).__name__
    if isinstance(value, type):
        return "class"
    return "class or an object of the program's own" if kind.startswith("Monty") else kind
