"""Shared reads of PostgreSQL: simultaneous reads with the same SQL run as one statement.

A round trip costs more than the look-up itself. Under load many requests look up a row by key in one turn of the event
loop: their parameters are sent as arrays, and the rows are distributed to the callers. A single read costs no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import field
from typing import Any, Final

import asyncpg

from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import Row, Statement, Value
from ostiary.store.parameters import require_storable
from ostiary.store.postgresql.connection import execute, is_lost, translate_error
from ostiary.store.postgresql.dialect import Translator

_CACHE_SIZE: Final = 4_096  # statements; enough unless lists of parameters vary
GROUP: Final = 64  # reads in one statement at most
_READS: Final = re.compile(r"\A\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_LOCKS: Final = re.compile(r"\bFOR\s+(?:UPDATE|SHARE|NO\s+KEY|KEY\s+SHARE)\b", re.IGNORECASE)

Work = Callable[[Any], Awaitable[None]]
_PendingRead = tuple[tuple[Value, ...], "asyncio.Future[Sequence[Row]]"]


@dataclass(slots=True)
class _Group:
    """Reads of the same SQL; more may join until a connection is free."""

    reads: list[_PendingRead] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def pending(self) -> list[_PendingRead]:
        """Return the reads that are neither answered nor cancelled."""
        return [one for one in self.reads if not one[1].done()]


class SharedReads:
    """Combines reads. `reading` runs work on a connection, and again on another one when that is lost."""

    def __init__(self, reading: Callable[[Work], Awaitable[None]], translate: Translator) -> None:
        self._reading = reading
        self._translate = translate
        self._open: dict[str, _Group] = {}  # by text
        self._texts: BoundedCache[str, str | None] = BoundedCache(_CACHE_SIZE)  # None: cannot be combined

    async def fetch(self, sql: str, parameters: tuple[Value, ...]) -> Sequence[Row]:
        """Run one reading statement. Raises StoreError."""
        require_storable(parameters)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Row]] = loop.create_future()
        group = self._open.get(sql)
        if group is None:
            group = self._open[sql] = _Group()
            loop.call_soon(self._begin, sql, group)
        group.reads.append((parameters, future))
        try:
            return await future
        except asyncio.CancelledError:
            if group.task is not None and not group.pending():
                group.task.cancel()  # no caller is left: spare the server the work
            raise

    def _begin(self, sql: str, group: _Group) -> None:
        group.task = asyncio.get_running_loop().create_task(self._serve(sql, group))

    async def _serve(self, sql: str, group: _Group) -> None:
        async def work(connection: Any) -> None:
            self._close(sql, group)
            await self._answer(connection, sql, group)

        try:
            await self._reading(work)
        except Exception as error:  # noqa: BLE001 - callers wait for an answer
            self._close(sql, group)
            for _, future in group.pending():
                future.set_exception(copy.copy(error))  # each caller has an error of its own
        finally:
            self._close(sql, group)
            for _, future in group.pending():
                future.cancel()

    def _close(self, sql: str, group: _Group) -> None:
        if self._open.get(sql) is group:
            del self._open[sql]

    async def _answer(self, connection: Any, sql: str, group: _Group) -> None:
        """Answer all pending reads. Raises errors that mean a lost connection."""
        pending = group.pending()
        if "?" not in sql:  # without parameters all reads are equal
            await self._answer_single(connection, Statement(sql), [future for _, future in pending])
            return
        for start in range(0, len(pending), GROUP):
            part = pending[start : start + GROUP]
            if len(part) > 1 and await self._answer_group(connection, sql, part):
                continue
            for parameters, future in part:
                await self._answer_single(connection, Statement(sql, parameters), [future])

    async def _answer_group(self, connection: Any, sql: str, part: Sequence[_PendingRead]) -> bool:
        """Answer several reads in one statement. False when that is impossible: each then runs alone."""
        text = self._texts[sql] if sql in self._texts else self._texts.keep(sql, await self._prepared(connection, sql))
        if text is None:
            return False
        try:
            rows = await connection.fetch(text, *map(list, zip(*(parameters for parameters, _ in part), strict=True)))
        except (asyncpg.PostgresError, asyncpg.DataError) as error:
            if is_lost(connection, error):
                raise
            return False
        rows_by_read: list[list[Row]] = [[] for _ in part]
        for row in rows:
            rows_by_read[row["ostiary_turn"] - 1].append(row)
        for (_, future), rows_of_read in zip(part, rows_by_read, strict=True):
            if not future.done():
                future.set_result(rows_of_read)
        return True

    async def _prepared(self, connection: Any, sql: str) -> str | None:
        """Return the combined statement; None when it is no plain read with parameters."""
        if not _READS.match(sql) or _LOCKS.search(sql):
            return None
        with contextlib.suppress(asyncpg.PostgresSyntaxError, asyncpg.UndefinedTableError):
            statement = await connection.prepare(self._translate(sql).sql)
            types = [parameter.name for parameter in statement.get_parameters()]
            return self._translate.batched(sql, types) if types else None
        return None

    async def _answer_single(
        self, connection: Any, statement: Statement, futures: Sequence[asyncio.Future[Sequence[Row]]]
    ) -> None:
        try:
            rows = (await execute(connection, statement, self._translate)).rows
        except asyncpg.UndefinedTableError:
            raise  # after another process's migration: the caller loads the tables and repeats
        except Exception as error:
            if is_lost(connection, error):
                raise
            for future in futures:
                if not future.done():
                    future.set_exception(translate_error(error))
        else:
            for future in futures:
                if not future.done():
                    future.set_result(rows)
