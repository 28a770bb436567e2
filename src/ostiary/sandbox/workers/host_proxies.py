"""Proxies of host objects, for the client of the worker. Imports the client."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_monty import ClassInstance, ClassType

from ostiary.sandbox.workers.host import HostObject


class HostProxy:
    """A proxy of a host object. Its class has the name that a program sees."""

    __slots__ = ("one",)

    def __init__(self, one: HostObject) -> None:
        self.one = one


class _Wrapped(ClassInstance):
    """Sends the named values; the run answers for everything else itself.

    Made without the initialiser of its class, which normalises policies that we do not use: 10 microseconds each.
    """

    def __init__(self, stand_in: HostProxy, class_type: ClassType, number: int, attributes: dict[str, Any]) -> None:
        self.value = stand_in
        self.class_type = class_type
        self.id = UUID(int=number)
        self.eager_attrs = self.lazy_attrs = self.allowed_methods = None
        self._attributes = attributes

    def get_eager_attrs(self) -> dict[str, Any]:
        return self._attributes


def wrapped(one: HostObject, number: int, inwards: Callable[[object], object]) -> ClassInstance:
    """Return the object with its values. `number` is its own in its run, and not 0."""
    kind = _class(one.kind)
    return _Wrapped(kind.value(one), kind, number, {name: inwards(value) for name, value in one.values.items()})


@lru_cache(256)
def _class(kind: str) -> ClassType:
    return ClassType(type(kind, (HostProxy,), {"__slots__": ()}))


def named(name: str) -> Callable[[], None]:
    """Return a proxy of a host function. The client uses only its name."""

    def function() -> None: ...

    function.__name__ = name
    return function
