"""Exceptions of own classes: Python's own stand for them, and which is which is remembered."""

from __future__ import annotations

from typing import Any

ostiary_raised: list[Any] = []
"""The exceptions of own classes that were raised, each with its class: Python's own exceptions hold nothing else."""


class OwnException:
    """A class of exceptions that an expression made: calling it makes one of Python's own, which is remembered."""

    def __init__(self, name: str, above: Any) -> None:
        self.name = name
        self.above = above
        self.native: Any = above.native if isinstance(above, OwnException) else above

    def __call__(self, *arguments: Any) -> Any:
        """Make one."""
        text = str(arguments[0]) if len(arguments) == 1 else str(arguments)
        made = self.native(text) if arguments else self.native()
        ostiary_raised.append([made, self])
        return made

    def __str__(self) -> str:
        return "<class '" + self.name + "'>"


def ostiary_raise(what: Any) -> Any:
    """Return the exception for `raise what`."""
    return what() if isinstance(what, OwnException) else what


def ostiary_catches(error: Any, wanted: Any) -> bool:
    """Tell whether `except wanted` catches an exception."""
    if isinstance(wanted, (list, tuple)):
        return any([ostiary_catches(error, one) for one in wanted])  # noqa: C419 - a list is what monty makes
    if not isinstance(wanted, OwnException):
        return isinstance(error, wanted)
    for made, kind in ostiary_raised:
        if made is error:
            while isinstance(kind, OwnException):
                if kind is wanted:
                    return True
                kind = kind.above  # noqa: PLW2901 - from class to class
    return False


ObjectDoesNotExist = OwnException("ObjectDoesNotExist", Exception)
DoesNotExist = OwnException("DoesNotExist", ObjectDoesNotExist)
MultipleObjectsReturned = OwnException("MultipleObjectsReturned", Exception)
