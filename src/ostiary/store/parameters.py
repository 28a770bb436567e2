"""What a parameter may be: what one database would refuse is refused for both, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.store.database import Unstorable, Value


def check(parameters: Sequence[Value]) -> None:
    """Refuse NUL, which SQLite would keep and PostgreSQL would not. Raises Unstorable.

    Lone surrogates and numbers beyond 64 bits are refused by both drivers themselves.
    """
    for parameter in parameters:
        if parameter.__class__ is str and "\0" in parameter:
            raise Unstorable("a text must not contain NUL")
