"""Modules that are imported, made of definitions of the prelude."""

from __future__ import annotations

from typing import Any


class ostiary_module:  # noqa: N801 - a function in the eyes of a program
    """A module."""

    def __init__(self, **names: Any) -> None:
        for name, value in names.items():
            setattr(self, name, value)
