"""Detection of changed tables without reading them.

`PRAGMA data_version` changes with commits of other connections, of this process or others. Commits of the connection
itself are counted here, by the table names in their statements.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Final

from ostiary.resource.bounded_cache import BoundedCache

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_CACHE_SIZE: Final = 2_048  # statements in the cache


class _Watch:
    def __init__(self, connection: sqlite3.Connection, tables: str) -> None:
        self.tables = tables
        self.changes = 0
        self._connection = connection

    def state(self) -> object | None:
        """Return the state of the tables; see `Watch`."""
        try:
            return self._connection.execute("PRAGMA data_version").fetchone()[0], self.changes
        except sqlite3.Error:
            return None


class WatchList:
    """The watches of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._watches: list[_Watch] = []
        self._cache: BoundedCache[str, tuple[_Watch, ...]] = BoundedCache(_CACHE_SIZE)

    def watch(self, tables: str) -> _Watch:
        """Return a watch over the tables whose names begin with `tables`."""
        watch = _Watch(self._connection, tables)
        self._watches.append(watch)
        self._cache.clear()
        return watch

    def changed(self, texts: Iterable[str]) -> None:
        """Count the statements of a commit. A statement that names a table may have changed it."""
        for sql in texts:
            watches = self._cache.get(sql)
            if watches is None:
                watches = self._cache.keep(sql, self._touched(sql))
            for watch in watches:
                watch.changes += 1

    def _touched(self, sql: str) -> tuple[_Watch, ...]:
        names = {name.lower() for name in _NAME.findall(sql)}
        return tuple(one for one in self._watches if any(name.startswith(one.tables) for name in names))
