"""A bounded cache. When it is full all entries are dropped, which is cheaper than tracking the oldest."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(dict[K, V]):
    """A dictionary of at most `most` entries."""

    __slots__ = ("_most",)

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def keep(self, key: K, value: V) -> V:
        """Store a value and return it."""
        if len(self) >= self._most and key not in self:
            self.clear()
        self[key] = value
        return value
