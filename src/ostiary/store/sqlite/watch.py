"""Knowing without reading that nobody changed some tables.

SQLite tells a connection whether another one has committed since (`PRAGMA data_version`), of this process or of any
other; what the connection itself commits is counted here, by the names in the statements.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from typing import Final

from ostiary.resource.bounded_cache import BoundedCache

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]*", re.IGNORECASE)
_MANY: Final = 2_048  # statements whose tables are remembered


class _Watch:
    def __init__(self, connection: sqlite3.Connection, tables: str) -> None:
        self.tables = tables
        self.changes = 0
        self._connection = connection

    def state(self) -> object | None:
        """Return the state of the tables, as `Watch` says."""
        try:
            return self._connection.execute("PRAGMA data_version").fetchone()[0], self.changes
        except sqlite3.Error:
            return None


class Watched:
    """The watches of one connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._watches: list[_Watch] = []
        self._known: BoundedCache[str, tuple[_Watch, ...]] = BoundedCache(_MANY)

    def watch(self, tables: str) -> _Watch:
        """Return a watch over the tables whose names begin with `tables`."""
        made = _Watch(self._connection, tables)
        self._watches.append(made)
        self._known.clear()
        return made

    def changed(self, texts: Iterable[str]) -> None:
        """Note what the connection has committed. A statement that names a table may have changed it."""
        for sql in texts:
            found = self._known.get(sql)
            if found is None:
                found = self._known.keep(sql, self._touched(sql))
            for one in found:
                one.changes += 1

    def _touched(self, sql: str) -> tuple[_Watch, ...]:
        names = {name.lower() for name in _NAME.findall(sql)}
        return tuple(one for one in self._watches if any(name.startswith(one.tables) for name in names))
