"""The database of a process that traces: a span around each call of a request or task.

Spans have the texts of statements, in which values are always placeholders, and never the values.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from ostiary.spans import CURRENT, Span
from ostiary.store.activity import Activity, activity_of
from ostiary.store.database import Batch, Database, Row, Value, Watch

T = TypeVar("T")

MAX_STATEMENTS: Final = 16  # statements of a batch that its span tells
_TABLE: Final = re.compile(r"\b(?:FROM|INTO|UPDATE|JOIN)\s+([A-Za-z_][A-Za-z0-9_.]*)", re.IGNORECASE)


class TracedDatabase:
    """A `Database` whose calls are spans of the work that goes on, if that is traced."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.dialect = database.dialect
        self.schema = database.schema

    @property
    def activity(self) -> Activity:
        """What the database counts."""
        return activity_of(self._database)

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable."""
        current = CURRENT.get()
        if current is None:
            return await self._database.fetch(sql, *parameters)
        with current.child(summary(sql), "client") as span:
            self._describe(span, "fetch", [sql])
            return await self._database.fetch(sql, *parameters)

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads on one consistent state. Raises Unavailable."""
        return await self._batch("read", self._database.read, batch)

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable."""
        return await self._batch("write", self._database.write, batch)

    async def _batch(
        self, operation: str, run: Callable[[Callable[[], Batch[T]]], Awaitable[T]], batch: Callable[[], Batch[T]]
    ) -> T:
        current = CURRENT.get()
        if current is None:
            return await run(batch)
        texts: list[str] = []
        with current.child(f"{operation} batch", "client") as span:
            try:
                return await run(lambda: _noting(batch, texts))
            finally:
                self._describe(span, operation, texts)

    def _describe(self, span: Span, operation: str, texts: Sequence[str]) -> None:
        span.note("db.system.name", self.dialect)
        span.note("db.operation.name", operation)
        if len(texts) > 1:
            span.note("db.operation.batch.size", len(texts))
        told = texts[:MAX_STATEMENTS]
        span.note("db.query.summary", "; ".join(dict.fromkeys(summary(sql) for sql in told)))
        span.note("db.query.text", "; ".join(told))

    def watch(self, tables: str) -> Watch:
        """Return a watch over the tables whose names begin with `tables`."""
        return self._database.watch(tables)

    async def close(self) -> None:
        """Finish queued batches and close."""
        await self._database.close()


def _noting(batch: Callable[[], Batch[T]], texts: list[str]) -> Batch[T]:
    """Run a batch, and keep the texts of its statements: of its last run, since a batch can be repeated."""
    texts.clear()
    inner = batch()
    try:
        statement = next(inner)
        while True:
            texts.append(statement.sql)
            statement = inner.send((yield statement))
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        inner.close()


def summary(sql: str) -> str:
    """Return what a statement does: its verb, and the first table it names."""
    verb = sql.split(None, 1)[0].upper() if sql.strip() else ""
    table = _TABLE.search(sql)
    return f"{verb} {table[1]}" if table else verb
