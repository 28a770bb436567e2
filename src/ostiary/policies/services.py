"""The services of other rooms that policies use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from ostiary.policies.errors import NotAvailable

T = TypeVar("T")


def _nothing(kind: type[Any]) -> object:
    raise LookupError(kind.__name__)


class PolicyServices:
    """The services by class. `find` returns one, or raises LookupError."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[type[Any]], object] = _nothing) -> None:
        self._find = find

    def __getitem__(self, kind: type[T]) -> T:
        """Return the service of that class. Raises NotAvailable if there is none."""
        try:
            return cast("T", self._find(kind))
        except LookupError:
            message = f"there is no {kind.__name__} here"
            raise NotAvailable(message) from None


NO_SERVICES: Final = PolicyServices()
"""For policies that need no services."""
