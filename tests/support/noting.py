"""A function in place of another that notes each call first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def noting(note: Callable[..., object], real: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that passes its arguments to `note`, then to `real`, and returns what `real` returns."""

    def both(*args: Any, **named: Any) -> Any:
        note(*args, **named)
        return real(*args, **named)

    return both
