"""The writer task of PostgreSQL, with group commit.

All queued batches run in one transaction. When one fails, all are rolled back and each is repeated alone, so that the
failure reaches its own caller only. Savepoints would cost two round trips for every successful batch.

Insert-only batches, such as a token and its event, need no results of the server: their rows for one table are sent
in one round trip.
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
from ostiary.store.postgresql.connection import (
    CONNECTION_ERRORS,
    RETRYABLE,
    close_connection,
    is_lost,
    run_batch,
    translate_error,
)
from ostiary.store.postgresql.dialect import Translator
from ostiary.store.timeouts import TIMEOUT, batch_seconds

GROUP: Final = 64  # batches in one transaction at most
ATTEMPTS: Final = 6  # of a batch that met a deadlock or a serialization failure

_log: Final = logging.getLogger("ostiary.store")


class OutcomeUnknown(Unavailable):
    """The connection was lost during COMMIT: it is unknown whether the batch was written."""


class QueuedBatch:
    """One batch and its result."""

    __slots__ = ("factory", "future", "seconds", "value")

    def __init__(self, factory: Callable[[], Batch[Any]]) -> None:
        self.seconds = batch_seconds()
        self.factory = factory
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.value: Any = None

    def succeed(self) -> None:
        """Answer the caller, unless it was cancelled."""
        if not self.future.done():
            self.future.set_result(self.value)

    def fail(self, error: Exception) -> None:
        """Answer the caller with an error, unless it was cancelled."""
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """Owns the writing connection, and replaces a lost one."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Any]],
        translate: Translator,
        learn: Callable[[Any], Awaitable[None]],
        *,
        begin: Callable[[], str],
        on_lost: Callable[[], None],
    ) -> None:
        """`begin` returns the statements that begin a transaction; `on_lost` is called after a lost connection."""
        self._connect = connect
        self._translate = translate
        self._learn = learn
        self._begin = begin
        self._connection_lost = on_lost
        self._connection: Any = None
        self._jobs: deque[QueuedBatch] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="ostiary-postgresql-writer")

    @property
    def is_connected(self) -> bool:
        """Whether the writing connection is open."""
        return self._connection is not None and not self._connection.is_closed()

    def submit(self, job: QueuedBatch) -> None:
        """Queue a batch; its `future` is answered after the commit."""
        if self._task.done():
            job.fail(Unavailable("the writer has ended"))
            return
        self._jobs.append(job)
        self._wake.set()

    async def stop(self) -> None:
        """Finish queued batches and close the connection."""
        self._stopping = True
        self._wake.set()
        await self._task
        if self._connection is not None:
            await close_connection(self._connection)

    async def _run(self) -> None:
        while self._jobs or not self._stopping:
            if not self._jobs:
                self._wake.clear()
                await self._wake.wait()
            group = self._dequeue()
            if group:
                await self._serve(group)

    def _dequeue(self) -> list[QueuedBatch]:
        """Return the next group, without cancelled batches. A batch with a longer timeout is a group of its own."""
        group: list[QueuedBatch] = []
        while self._jobs and len(group) < GROUP:
            if self._jobs[0].seconds > TIMEOUT and group:
                break
            job = self._jobs.popleft()
            if job.future.done():
                continue
            group.append(job)
            if job.seconds > TIMEOUT:
                break
        return group

    async def _serve(self, group: Sequence[QueuedBatch]) -> None:
        """Commit a group and answer its callers. The task survives every error, because all writes depend on it."""
        try:
            await self._commit(group)
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            _log.exception("a group of writes failed in an unexpected way")
            for job in group:
                job.fail(Unavailable(f"the writer failed: {type(error).__name__}"))

    async def _commit(self, group: Sequence[QueuedBatch]) -> None:
        try:
            await self._attempt(group)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers
            if isinstance(error, (Unavailable, *CONNECTION_ERRORS)) and not isinstance(error, asyncpg.DataError):
                for job in group:  # an error of the server; each caller gets its own copy
                    job.fail(copy.copy(error) if isinstance(error, Unavailable) else translate_error(error))
            elif len(group) == 1 and not isinstance(error, RETRYABLE):
                group[0].fail(translate_error(error))
            else:
                for job in group:
                    await self._retry(job)
        else:
            for job in group:
                job.succeed()

    async def _retry(self, job: QueuedBatch) -> None:
        failures = 0
        while not job.future.done():
            try:
                await self._attempt((job,))
            except RETRYABLE as error:
                failures += 1
                if failures == ATTEMPTS:
                    job.fail(translate_error(error))
                else:
                    await asyncio.sleep(random.uniform(0, 0.005 * 2 ** (failures - 1)))  # noqa: S311 - spreads the tries
            except Exception as error:  # noqa: BLE001 - as above
                job.fail(translate_error(error))
            else:
                job.succeed()

    async def _attempt(self, group: Sequence[QueuedBatch]) -> None:
        """Run the group in one transaction; repeat it once when the connection had been lost before."""
        connection = self._connection
        if connection is not None and not connection.is_closed():
            try:
                await self._bounded(connection, group)
            except CONNECTION_ERRORS as error:
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
            self._connection_lost()
        self._connection = None
        self._connection = await self._connect()
        return self._connection

    async def _bounded(self, connection: Any, group: Sequence[QueuedBatch]) -> None:
        try:
            async with asyncio.timeout(max(job.seconds for job in group)):
                await self._transact(connection, group)
        except TimeoutError:
            connection.terminate()
            raise

    async def _transact(self, connection: Any, group: Sequence[QueuedBatch]) -> None:
        try:
            await connection.execute(self._begin())
            for job in await self._insert(connection, group):
                job.value = await run_batch(connection, job.factory, self._translate)
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
            with contextlib.suppress(*CONNECTION_ERRORS):  # it is committed; a reader loads missing tables itself
                await self._learn(connection)

    async def _insert(self, connection: Any, group: Sequence[QueuedBatch]) -> Sequence[QueuedBatch]:
        """Run the insert-only batches, if there are several; return the others."""
        if len(group) == 1:
            return group
        others: list[QueuedBatch] = []
        insert_only: list[Inserts] = []
        for job in group:
            job_inserts = _inserts(job)
            if job_inserts is None:
                others.append(job)
            else:
                job.value = job_inserts.value
                insert_only.append(job_inserts)
        for sql, rows in by_text(insert_only).items():
            await connection.executemany(self._translate(sql).sql, rows)
        return others

    async def _abandon(self, connection: Any, error: Exception) -> None:
        if is_lost(connection, error):
            connection.terminate()
            return
        with contextlib.suppress(*CONNECTION_ERRORS, asyncpg.PostgresError):
            await connection.execute("ROLLBACK")


def _inserts(job: QueuedBatch) -> Inserts | None:
    try:
        return inserts(job.factory)
    except Exception:  # noqa: BLE001 - it runs again, and fails there
        return None
