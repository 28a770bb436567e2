"""Batches that only insert rows: the inserts of many such batches are combined into one statement.

Issuing a token and recording its event is such a batch. A plain `INSERT ... VALUES` without a conflict clause touches
one row or fails, so the batch can receive that result before anything runs. A batch with another statement has had no
effect then, and runs as usual.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from ostiary.record import dataclass
from ostiary.store.database import Batch, Result, Statement, Value
from ostiary.store.parameters import require_storable

_INSERTS: Final = re.compile(
    r"\A\s*INSERT\s+INTO\s+[a-z_]+\s*\([a-z0-9_,\s]*\)\s*VALUES\s*"
    r"(?P<row>\((?:\?|NULL|'[^']*'|[0-9]+|CAST\(\?\s+AS\s+[A-Z]+\)|[,\s])*\))\s*\Z",
    re.IGNORECASE,
)
_INSERTED: Final = Result((), 1)


@dataclass(slots=True)
class Inserts:
    """The inserts of a batch, and its return value."""

    statements: Sequence[Statement]
    value: Any


def inserts(factory: Callable[[], Batch[Any]]) -> Inserts | None:
    """Return the inserts of a batch; None for a batch with other statements. Raises Unstorable."""
    statements: list[Statement] = []
    batch = factory()
    try:
        statement = next(batch)
        while _is_plain_insert(statement.sql) and (statement.guard is None or statement.guard.rows == 1):
            require_storable(statement.parameters)
            statements.append(statement)
            statement = batch.send(_INSERTED)
    except StopIteration as stop:
        return Inserts(statements, stop.value) if statements else None
    finally:
        batch.close()
    return None


def by_text(batches: Iterable[Inserts]) -> dict[str, list[Sequence[Value]]]:
    """Return the rows of several batches, grouped by the text of their insert."""
    rows: dict[str, list[Sequence[Value]]] = {}
    for batch in batches:
        for statement in batch.statements:
            rows.setdefault(statement.sql, []).append(statement.parameters)
    return rows


@functools.lru_cache(maxsize=512)
def multi_row(sql: str, count: int) -> str:
    """Return the insert of `count` rows, from a plain insert of one row."""
    match = _INSERTS.match(sql)
    assert match is not None  # noqa: S101 - only texts that `inserts` accepted
    return sql + f", {match['row']}" * (count - 1)


@functools.lru_cache(maxsize=512)
def _is_plain_insert(sql: str) -> bool:
    return _INSERTS.match(sql) is not None
