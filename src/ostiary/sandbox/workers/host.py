"""The interface of the host to a program: functions, objects, and errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field

from ostiary.record import dataclass

HostFunction = Callable[..., object | Awaitable[object]]
"""Called with what the program passed, as plain data and `HostObject`s. Answers the same kinds of values.

A coroutine is awaited on the event loop. Others are called in a thread and must be fast.
"""


@dataclass(frozen=True, slots=True, eq=False)
class HostObject:
    """An object of ours in a program. It has only the members listed here.

    `kind` is the name of its class there. `values` go into the sandbox with the object; `lazy` ones are fetched when
    they are read, and `methods` are called, each at the cost of a round trip. `origin` is for whoever made it: a host
    function that is passed this object gets the very same `HostObject`.
    """

    kind: str
    values: Mapping[str, object] = field(default_factory=dict)
    lazy: Mapping[str, Callable[[], object | Awaitable[object]]] = field(default_factory=dict)
    methods: Mapping[str, HostFunction] = field(default_factory=dict)
    origin: object = None

    def __repr__(self) -> str:
        return f"<{self.kind}>"


class HostError(Exception):
    """Raised by a host function to raise an exception in the program, which may catch it.

    `kind` is one of Python's own exceptions; the message reaches the administrator. Whatever else a host function
    raises is logged here, and the program gets a RuntimeError without the text.
    """

    def __init__(self, message: str, kind: type[Exception] = ValueError) -> None:
        super().__init__(message)
        self.kind = kind


class Finish(Exception):
    """Raised by a host function to end the whole program at once, as if it had returned `value`."""

    def __init__(self, value: object) -> None:
        super().__init__("the program is finished")
        self.value = value
