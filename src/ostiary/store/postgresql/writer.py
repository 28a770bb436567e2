"""The one task that writes to PostgreSQL, and its group commit.

It runs everything that is queued in one transaction. When anything in it fails, all is rolled back and each batch is
replayed alone, so that a failure reaches only its own caller. That is cheaper than a savepoint, which costs two
round trips for every batch that succeeds.

Batches that only insert, such as the issue of a token and its event, need no answers of the server: what all of them
insert into a table travels in one trip.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import asyncpg

from ostiary.store.database import Batch, Unavailable
from ostiary.store.inserts import Inserts, by_text, inserts
from ostiary.store.patience import WITHIN, batch_seconds
from ostiary.store.postgresql.connection import AGAIN, LOST, drive, hang_up, is_lost, meaning
from ostiary.store.postgresql.dialect import Translator

GROUP: Final = 64  # batches in one transaction at most
TRIES: Final = 6  # of a batch that met a deadlock or a serialization failure

_log: Final = logging.getLogger("ostiary.store")


class OutcomeUnknown(Unavailable):
    """The connection was lost while the commit was under way: whether it was written is not known."""


class Job:
    """One batch on its way through the writer."""

    __slots__ = ("factory", "future", "seconds", "value")

    def __init__(self, factory: Callable[[], Batch[Any]]) -> None:
        self.seconds = batch_seconds()
        self.factory = factory
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.value: Any = None

    def succeed(self) -> None:
        """Answer the caller, unless it has gone."""
        if not self.future.done():
            self.future.set_result(self.value)

    def fail(self, error: Exception) -> None:
        """Answer the caller with an error, unless it has gone."""
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """Owns the writing connection, and opens another one when it is lost."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        translate: Translator,
        learn: Callable[[Any], Awaitable[None]],
        *,
        begin: Callable[[], str],
        moved: Callable[[], None],
    ) -> None:
        """`begin` gives the statements a transaction begins with; `moved` is called when a connection was lost."""
        self._connect = connect
        self._translate = translate
        self._learn = learn
        self._begin = begin
        self._moved = moved
        self._connection: Any = None
        self._jobs: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="ostiary-postgresql-writer")

    def submit(self, job: Job) -> None:
        """Queue a batch; `job.future` is answered after the commit."""
        if self._task.done():
            job.fail(Unavailable("the writer has ended"))
            return
        self._jobs.append(job)
        self._wake.set()

    async def stop(self) -> None:
        """Finish what is queued and close the connection."""
        self._stopping = True
        self._wake.set()
        await self._task
        if self._connection is not None:
            await hang_up(self._connection)

    async def _run(self) -> None:
        while self._jobs or not self._stopping:
            if not self._jobs:
                self._wake.clear()
                await self._wake.wait()
            group = self._take()
            if group:
                await self._serve(group)

    def _take(self) -> list[Job]:
        """Return what is written next, without what nobody waits for any more. What takes its time comes alone."""
        group: list[Job] = []
        while self._jobs and len(group) < GROUP:
            if self._jobs[0].seconds > WITHIN and group:
                break
            job = self._jobs.popleft()
            if job.future.done():
                continue
            group.append(job)
            if job.seconds > WITHIN:
                break
        return group

    async def _serve(self, group: Sequence[Job]) -> None:
        """Commit a group and answer all of it; the task goes on whatever happens, else nobody could write any more."""
        try:
            await self._commit(group)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            _log.exception("a group of writes failed in an unexpected way")
            for job in group:
                job.fail(Unavailable(f"the writer failed: {type(error).__name__}"))

    async def _commit(self, group: Sequence[Job]) -> None:
        try:
            await self._attempt(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers
            if isinstance(error, (Unavailable, *LOST)) and not isinstance(error, asyncpg.DataError):
                for job in group:  # it is the server, not a batch; each caller has an error of its own
                    job.fail(copy.copy(error) if isinstance(error, Unavailable) else meaning(error))
            elif len(group) == 1 and not isinstance(error, AGAIN):
                group[0].fail(meaning(error))
            else:
                for job in group:
                    await self._alone(job)
        else:
            for job in group:
                job.succeed()

    async def _alone(self, job: Job) -> None:
        for wait in range(TRIES):
            if job.future.done():
                return
            try:
                await self._attempt((job,))
            except AGAIN as error:
                if wait + 1 == TRIES:
                    job.fail(meaning(error))
                    return
                await asyncio.sleep(random.uniform(0, 0.005 * 2**wait))  # noqa: S311 - it only spreads the tries
            except Exception as error:  # noqa: BLE001 - as above
                job.fail(meaning(error))
                return
            else:
                job.succeed()
                return

    async def _attempt(self, group: Sequence[Job]) -> None:
        """Run the group in one transaction; once more when the connection turns out to have been lost before."""
        connection = self._connection
        if connection is not None and not connection.is_closed():
            try:
                await self._bounded(connection, group)
            except LOST as error:
                if isinstance(error, TimeoutError | asyncpg.DataError):
                    raise
            except asyncpg.PostgresError as error:
                if not is_lost(connection, error):
                    raise
            else:
                return
        await self._bounded(await self._reconnect(), group)

    async def _reconnect(self) -> Any:
        if self._connection is not None:
            self._moved()
        self._connection = None
        self._connection = await self._connect()
        return self._connection

    async def _bounded(self, connection: Any, group: Sequence[Job]) -> None:
        try:
            async with asyncio.timeout(max(job.seconds for job in group)):
                await self._transact(connection, group)
        except TimeoutError:
            connection.terminate()
            raise

    async def _transact(self, connection: Any, group: Sequence[Job]) -> None:
        try:
            await connection.execute(self._begin())
            for job in await self._insert(connection, group):
                job.value = await drive(connection, job.factory, self._translate)
        except Exception as error:
            await self._abandon(connection, error)
            raise
        try:
            await connection.execute("COMMIT")
        except Exception as error:
            if not is_lost(connection, error):
                raise  # a deferred constraint: the server has rolled back
            connection.terminate()
            raise OutcomeUnknown(f"the connection was lost during the commit: {type(error).__name__}") from error
        if self._translate.is_stale:
            with contextlib.suppress(*LOST):  # it is committed; a reader that misses a table looks again
                await self._learn(connection)

    async def _insert(self, connection: Any, group: Sequence[Job]) -> Sequence[Job]:
        """Run the batches that only insert, if there are several; return the others."""
        if len(group) == 1:
            return group
        others: list[Job] = []
        plain: list[Inserts] = []
        for job in group:
            found = _inserts(job)
            if found is None:
                others.append(job)
            else:
                job.value = found.value
                plain.append(found)
        for sql, rows in by_text(plain).items():
            await connection.executemany(self._translate(sql).sql, rows)
        return others

    async def _abandon(self, connection: Any, error: Exception) -> None:
        if is_lost(connection, error):
            connection.terminate()
            return
        with contextlib.suppress(*LOST, asyncpg.PostgresError):
            await connection.execute("ROLLBACK")


def _inserts(job: Job) -> Inserts | None:
    try:
        return inserts(job.factory)
    except Exception:  # noqa: BLE001 - it is run again, and fails where it should
        return None
