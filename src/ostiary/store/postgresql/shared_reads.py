"""Reads of PostgreSQL that are asked for at the same moment, and with the same text, in one statement.

A trip to the server costs more than what it looks up. Under load many requests look up a row by its key in one turn of
the event loop: their parameters travel as arrays, and the rows are dealt out again. Who asks alone pays nothing for it.
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
from ostiary.store.postgresql.connection import execute, is_lost, meaning
from ostiary.store.postgresql.dialect import Translator

_MOST_TEXTS: Final = 4_096  # more than the program has, unless lists of parameters vary
GROUP: Final = 64  # reads in one statement at most
_READS: Final = re.compile(r"\A\s*(?:SELECT|WITH)\b", re.IGNORECASE)
_LOCKS: Final = re.compile(r"\bFOR\s+(?:UPDATE|SHARE|NO\s+KEY|KEY\s+SHARE)\b", re.IGNORECASE)

Work = Callable[[Any], Awaitable[None]]
_Asked = tuple[tuple[Value, ...], "asyncio.Future[Sequence[Row]]"]


@dataclass(slots=True)
class _Group:
    """Reads of one text; more may join until a connection is free."""

    asked: list[_Asked] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def left(self) -> list[_Asked]:
        """Return those that nobody has given up, and that are not answered."""
        return [one for one in self.asked if not one[1].done()]


class Gatherer:
    """Collects reads. `reading` gives a connection to a piece of work, and gives it another one when that is lost."""

    def __init__(self, reading: Callable[[Work], Awaitable[None]], translate: Translator) -> None:
        self._reading = reading
        self._translate = translate
        self._open: dict[str, _Group] = {}  # by text
        self._texts: BoundedCache[str, str | None] = BoundedCache(_MOST_TEXTS)  # None: this one is asked for singly

    async def fetch(self, sql: str, parameters: tuple[Value, ...]) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable and the like."""
        require_storable(parameters)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[Row]] = loop.create_future()
        group = self._open.get(sql)
        if group is None:
            group = self._open[sql] = _Group()
            loop.call_soon(self._begin, sql, group)
        group.asked.append((parameters, future))
        try:
            return await future
        except asyncio.CancelledError:
            if group.task is not None and not group.left():
                group.task.cancel()  # nobody waits any more: the server need not work for nothing
            raise

    def _begin(self, sql: str, group: _Group) -> None:
        group.task = asyncio.get_running_loop().create_task(self._serve(sql, group))

    async def _serve(self, sql: str, group: _Group) -> None:
        async def work(connection: Any) -> None:
            self._close(sql, group)
            await self._answer(connection, sql, group)

        try:
            await self._reading(work)
        except Exception as error:  # noqa: BLE001 - whatever it is, somebody waits for an answer
            self._close(sql, group)
            for _, future in group.left():
                future.set_exception(copy.copy(error))  # each caller has an error of its own
        finally:
            self._close(sql, group)
            for _, future in group.left():
                future.cancel()

    def _close(self, sql: str, group: _Group) -> None:
        if self._open.get(sql) is group:
            del self._open[sql]

    async def _answer(self, connection: Any, sql: str, group: _Group) -> None:
        """Answer all that nobody has given up. Raises what makes the connection useless."""
        left = group.left()
        if "?" not in sql:  # the same question: one answer serves all
            await self._alone(connection, Statement(sql), [future for _, future in left])
            return
        for start in range(0, len(left), GROUP):
            part = left[start : start + GROUP]
            if len(part) > 1 and await self._together(connection, sql, part):
                continue
            for parameters, future in part:
                await self._alone(connection, Statement(sql, parameters), [future])

    async def _together(self, connection: Any, sql: str, part: Sequence[_Asked]) -> bool:
        """Answer several in one statement. False when that cannot be done: then each is answered alone."""
        text = self._texts[sql] if sql in self._texts else self._texts.keep(sql, await self._prepared(connection, sql))
        if text is None:
            return False
        try:
            rows = await connection.fetch(text, *map(list, zip(*(parameters for parameters, _ in part), strict=True)))
        except (asyncpg.PostgresError, asyncpg.DataError) as error:
            if is_lost(connection, error):
                raise
            return False
        dealt: list[list[Row]] = [[] for _ in part]
        for row in rows:
            dealt[row["ostiary_turn"] - 1].append(row)
        for (_, future), found in zip(part, dealt, strict=True):
            if not future.done():
                future.set_result(found)
        return True

    async def _prepared(self, connection: Any, sql: str) -> str | None:
        """Return the text for several, None for what is not a plain read with parameters."""
        if not _READS.match(sql) or _LOCKS.search(sql):
            return None
        with contextlib.suppress(asyncpg.PostgresSyntaxError, asyncpg.UndefinedTableError):
            statement = await connection.prepare(self._translate(sql).sql)
            types = [parameter.name for parameter in statement.get_parameters()]
            return self._translate.many(sql, types) if types else None
        return None

    async def _alone(
        self, connection: Any, statement: Statement, futures: Sequence[asyncio.Future[Sequence[Row]]]
    ) -> None:
        try:
            rows = (await execute(connection, statement, self._translate)).rows
        except asyncpg.UndefinedTableError:
            raise  # another process may have migrated: the tables are learnt, and all is tried again
        except Exception as error:
            if is_lost(connection, error):
                raise
            for future in futures:
                if not future.done():
                    future.set_exception(meaning(error))
        else:
            for future in futures:
                if not future.done():
                    future.set_result(rows)
