"""The PostgreSQL back end: one writing connection with group commit, few reading ones, all in one schema."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg

from ostiary.store.activity import Activity
from ostiary.store.database import (
    Batch,
    Database,
    Dialect,
    Reason,
    Row,
    Statement,
    Unavailable,
    Unwatched,
    Value,
    Watch,
    WrongStatement,
)
from ostiary.store.postgresql.config import PostgresConfig
from ostiary.store.postgresql.connection import (
    CONNECTION_ERRORS,
    TIMEOUT_SETTINGS,
    close_connection,
    connect,
    execute,
    is_direct,
    is_lost,
    learn_tables,
    run_batch,
    set_timeouts,
    translate_error,
)
from ostiary.store.postgresql.dialect import Translator, quoted
from ostiary.store.postgresql.shared_reads import SharedReads
from ostiary.store.postgresql.writer import QueuedBatch, Writer
from ostiary.store.timeouts import BACKGROUND_TIMEOUT, batch_seconds, with_timeout

T = TypeVar("T")

READERS: Final = 4  # connections for reading, at most
_PAUSE: Final = 0.02  # seconds
STATEMENT_CACHE: Final = 512  # prepared statements kept by each connection

_log: Final = logging.getLogger("ostiary.store")


class PostgresDatabase:
    """A `Database` on a server. Created by `open_postgresql`; used from the event loop that opened it."""

    dialect: Dialect = "postgresql"

    def __init__(self, config: PostgresConfig) -> None:
        self.activity = Activity(self._pool)
        self._config = config
        self.schema = config.schema
        self._translate = Translator(config.schema)
        learn = partial(learn_tables, translate=self._translate, schema=config.schema)
        self._search_path = f"SET LOCAL search_path TO {quoted(config.schema)}"  # LOCAL: it ends with the transaction
        self._writer = Writer(
            self._connect, self._translate, learn, begin=partial(self._begin, "BEGIN"), on_lost=self._connection_lost
        )
        self._idle_readers: list[Any] = []
        self._connecting = asyncio.Lock()
        self._busy_readers = 0  # reading connections in use
        self._generation = 0  # connections of an earlier generation are not reused
        self._reader_slots = asyncio.Semaphore(READERS)
        self._closed = False
        self._direct: bool | None = None  # whether there is no pooler; None: not known yet
        self._shared_reads = SharedReads(self._reading, self._translate)

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement, combined with others of the same SQL. Raises Unavailable."""
        if self._direct:
            with self.activity.reading():
                return await with_timeout(self._shared_reads.fetch(sql, parameters))

        async def work(connection: Any) -> Sequence[Row]:
            return (await execute(connection, Statement(sql, parameters), self._translate)).rows

        with self.activity.reading():
            return await with_timeout(self._reading(work))

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads that all see the same state. Raises Unavailable."""

        async def work(connection: Any) -> T:
            await connection.execute(self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            try:
                value = await run_batch(connection, batch, self._translate)
            except asyncpg.ReadOnlySQLTransactionError as error:
                await connection.execute("ROLLBACK")
                raise WrongStatement(str(error)) from None
            except Exception:  # a cancellation closes the connection instead
                with contextlib.suppress(*CONNECTION_ERRORS, asyncpg.PostgresError):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
            return value

        with self.activity.reading():
            return await with_timeout(self._reading(work))

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable.

        A caller that is cancelled while it waits does not know whether the batch was written.
        """
        if self._closed:
            raise Unavailable("the database is closed")
        job = QueuedBatch(batch)
        self._writer.submit(job)
        with self.activity.writing():
            value: T = await with_timeout(job.future)
        return value

    def watch(self, tables: str) -> Watch:  # noqa: ARG002 - the database's interface
        """Return a watch that detects nothing: a query would cost as much as reading."""
        return Unwatched()

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        await self._writer.stop()
        for _ in range(READERS):
            await self._reader_slots.acquire()  # running reads end first
        for connection in self._idle_readers:
            await close_connection(connection)

    def _begin(self, verb: str) -> str:
        """Return the statements that begin a transaction. Behind a pooler each sets its own timeouts."""
        local = () if self._direct else (f"SET LOCAL {set_timeouts}" for set_timeouts in TIMEOUT_SETTINGS)
        return "; ".join((verb, self._search_path, *local))

    def _connection_lost(self) -> None:
        """Close idle connections after a loss: the address may lead to another server now."""
        self.activity.lost += 1
        _log.warning("a connection to PostgreSQL was lost; another one is opened")
        self._generation += 1
        idle, self._idle_readers = self._idle_readers, []
        for connection in idle:
            connection.terminate()

    def _pool(self) -> Mapping[str, int]:
        """Return how many connections are open, by what they do."""
        return {
            "reading": self._busy_readers,
            "idle": len(self._idle_readers),
            "writer": int(self._writer.is_connected),
        }

    async def _reading(self, work: Callable[[Any], Awaitable[T]]) -> T:
        if self._closed:
            raise Unavailable("the database is closed")
        try:
            async with asyncio.timeout(batch_seconds()), self._reader_slots:
                return await self._read(work)
        except TimeoutError as error:
            raise Unavailable("the database did not answer in time", Reason.TIMEOUT) from error

    async def _read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        while True:
            while self._idle_readers:
                connection = self._idle_readers.pop()
                if connection.is_closed():
                    self.activity.lost += 1
                    continue
                try:
                    return await self._use(connection, work)
                except Unavailable:
                    if not connection.is_closed():
                        raise  # the server answered with a refusal
            connection = await self._open_another()
            if connection is not None:
                return await self._use(connection, work)

    async def _open_another(self) -> Any:
        """Open another connection; None when the server has none left and one of ours may be free."""
        async with self._connecting:  # one at a time: the second sees the result of the first
            try:
                return await self._connect()
            except Unavailable as error:
                if error.reason is not Reason.CONNECTIONS or not (self._busy_readers or self._idle_readers):
                    raise
        await asyncio.sleep(_PAUSE)
        return None

    async def _use(self, connection: Any, work: Callable[[Any], Awaitable[T]]) -> T:
        generation = self._generation
        self._busy_readers += 1
        try:
            try:
                value = await work(connection)
            except asyncpg.UndefinedTableError:
                # Another process has migrated meanwhile.
                await learn_tables(connection, self._translate, self._config.schema)
                value = await work(connection)
        except BaseException as error:
            lost = is_lost(connection, error)
            self._release(connection, lost=lost or generation != self._generation)
            if isinstance(error, Exception):
                self.activity.lost += lost
                raise translate_error(error) from None  # the driver's error quotes values
            raise
        self._release(connection, lost=generation != self._generation)
        return value

    def _release(self, connection: Any, *, lost: bool) -> None:
        self._busy_readers -= 1
        if lost:
            connection.terminate()
        else:
            self._idle_readers.append(connection)

    async def _connect(self) -> Any:
        """Open a connection, with prepared statements unless there is a pooler."""
        if self._direct is not False:
            connection = await connect(self._config, statements=STATEMENT_CACHE)
            try:
                self._direct = await is_direct(connection)
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                connection.terminate()
                raise translate_error(error) from None
            if self._direct:
                await self._set_timeouts(connection)
                return connection
            _log.info("a pooler stands before PostgreSQL: statements are not kept prepared")
            await close_connection(connection)
        return await connect(self._config, statements=0)

    async def _set_timeouts(self, connection: Any) -> None:
        try:
            await set_timeouts(connection)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            connection.terminate()
            raise translate_error(error) from None

    async def start(self, *, create: bool) -> None:
        """Create the schema if `create` and missing, load its tables, log authentik's. Raises Unavailable."""
        connection = await self._connect()
        try:
            async with asyncio.timeout(BACKGROUND_TIMEOUT):
                if create:
                    await self._create_schema(connection)
                await learn_tables(connection, self._translate, self._config.schema)
                await self._log_authentik_tables(connection)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            raise translate_error(error) from None
        finally:
            await close_connection(connection)

    async def _create_schema(self, connection: Any) -> None:
        schema = self._config.schema
        if await connection.fetchval("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1", schema):
            return
        try:
            await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema)}")
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateSchemaError):
            return  # another process was first
        except asyncpg.InsufficientPrivilegeError as error:
            raise Unavailable(
                f"the role {self._config.user} may not create a schema in the database {self._config.name}. "
                f"Let its owner run: CREATE SCHEMA {quoted(schema)} AUTHORIZATION {quoted(self._config.user)}"
            ) from error

    async def _log_authentik_tables(self, connection: Any) -> None:
        schema = await connection.fetchval(
            "SELECT schemaname FROM pg_catalog.pg_tables WHERE tablename = 'authentik_core_user' AND schemaname <> $1",
            self._config.schema,
        )
        if schema is not None:
            _log.info(
                "authentik's own tables are in this database (schema %s); they are not read and not touched, "
                "everything of Ostiary is in schema %s",
                schema,
                self._config.schema,
            )


async def open_database(config: PostgresConfig, *, create: bool = True) -> Database:
    """Open the database. Raises Unavailable, and ValueError when the configuration is wrong."""
    config.tls()
    database = PostgresDatabase(config)
    try:
        await database.start(create=create)
    except BaseException:
        await database.close()
        raise
    return database
