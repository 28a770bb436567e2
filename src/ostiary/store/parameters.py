"""Validation of parameters: a value that one database would refuse is refused for both, before it is sent."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.store.database import Unstorable, Value


def require_storable(parameters: Sequence[Value]) -> None:
    """Refuse NUL, which SQLite would keep and PostgreSQL would not. Raises Unstorable.

    Lone surrogates and numbers beyond 64 bits are refused by both drivers themselves.
    """
    for parameter in parameters:
        if parameter.__class__ is str and "\0" in parameter:
            raise Unstorable("a text must not contain NUL")
