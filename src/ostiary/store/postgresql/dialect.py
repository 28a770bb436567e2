"""Translation of our SQL to PostgreSQL's: placeholders, and table names with their schema.

Behind PgBouncer each statement may run on another server connection: a `search_path` of the session would be lost, or
affect another program. So tables are qualified with their schema.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import count
from typing import Final

from ostiary.record import dataclass

_TOKENS: Final = re.compile(
    r"""
    (?P<kept> '(?:[^']|'')*' | "(?:[^"]|"")*" | --[^\n]* )
  | (?P<hole> \? )
  | \b(?P<verb> (?: FROM | JOIN | UPDATE | INTO ) \s+ ) (?P<table> [a-z_][a-z0-9_]* ) \b (?! \s* \. )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_RETURNS_ROWS: Final = re.compile(r"\A\s*(?:SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN)\b|\bRETURNING\b", re.IGNORECASE)
_CHANGES_SCHEMA: Final = re.compile(r"\A\s*(?:CREATE|ALTER|DROP)\b", re.IGNORECASE)
_CACHE_SIZE: Final = 4096  # statements in the cache; enough unless lists of parameters vary


@dataclass(frozen=True, slots=True)
class Text:
    """A translated statement, and whether it returns rows."""

    sql: str
    rows: bool


class Translator:
    """Translates statements, with a cache."""

    def __init__(self, schema: str) -> None:
        self._prefix = quoted(schema) + "."
        self._tables: frozenset[str] = frozenset()
        self.is_stale = False  # a statement changed the schema
        self._texts: dict[str, Text] = {}

    def learn(self, tables: Collection[str]) -> None:
        """Set the tables of the schema."""
        self._tables = frozenset(tables)
        self._texts.clear()
        self.is_stale = False

    def __call__(self, sql: str) -> Text:
        """Return the translated statement."""
        text = self._texts.get(sql)
        if text is None:
            if len(self._texts) >= _CACHE_SIZE:
                self._texts.clear()
            self.is_stale = self.is_stale or _CHANGES_SCHEMA.match(sql) is not None
            text = self._texts[sql] = Text(_TOKENS.sub(self._replacement(), sql), bool(_RETURNS_ROWS.search(sql)))
        return text

    def batched(self, sql: str, types: Sequence[str]) -> str:
        """Return a read for several lists of parameters at once, given as one array for each parameter.

        `types` are the types of the parameters. The last column is the number of the list, from 1.
        """
        arrays = ", ".join(f"${number}::pg_catalog.{name}[]" for number, name in enumerate(types, 1))
        names = ", ".join(f"c{number}" for number in range(1, len(types) + 1))
        inner = _TOKENS.sub(self._replacement("ostiary_asked.c"), sql)
        return (
            f"SELECT found.*, ostiary_asked.turn AS ostiary_turn FROM unnest({arrays}) WITH ORDINALITY"
            f" AS ostiary_asked ({names}, turn) CROSS JOIN LATERAL ({inner}) AS found"
        )

    def _replacement(self, hole: str = "$") -> Callable[[re.Match[str]], str]:
        numbers = count(1)

        def replace(match: re.Match[str]) -> str:
            if match["hole"]:
                return f"{hole}{next(numbers)}"
            if match["table"] is None or match["table"] not in self._tables:
                return match[0]
            return match["verb"] + self._prefix + match["table"]

        return replace


def quoted(identifier: str) -> str:
    """Quote an identifier."""
    return '"' + identifier.replace('"', '""') + '"'
