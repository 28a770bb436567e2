"""The PostgreSQL back end: one writing connection with group commit, few reading ones, all in one schema."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import asyncpg

from ostiary.store.database import (
    Batch,
    Database,
    Dialect,
    Fault,
    Reason,
    Row,
    Statement,
    Unavailable,
    Unwatched,
    Value,
    Watch,
)
from ostiary.store.patience import UNHURRIED, batch_seconds, within
from ostiary.store.postgresql.config import PostgresConfig
from ostiary.store.postgresql.connection import (
    BOUNDS,
    LOST,
    bound,
    connect,
    drive,
    execute,
    hang_up,
    is_direct,
    is_lost,
    learn_tables,
    meaning,
)
from ostiary.store.postgresql.dialect import Translator, quoted
from ostiary.store.postgresql.shared_reads import Gatherer
from ostiary.store.postgresql.writer import Job, Writer

T = TypeVar("T")

READERS: Final = 4  # connections for reading, at most
_PAUSE: Final = 0.02  # seconds
STATEMENTS_KEPT: Final = 512  # prepared statements kept by each connection

_log: Final = logging.getLogger("ostiary.store")


class PostgresDatabase:
    """A `Database` on a server. Made by `open_postgresql`; to be used from the event loop it was opened in."""

    dialect: Dialect = "postgresql"

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self.schema = config.schema
        self._translate = Translator(config.schema)
        learn = partial(learn_tables, translate=self._translate, schema=config.schema)
        self._path = f"SET LOCAL search_path TO {quoted(config.schema)}"  # LOCAL: it ends with the transaction
        self._writer = Writer(
            self._connect, self._translate, learn, begin=partial(self._begin, "BEGIN"), moved=self._moved
        )
        self._idle: list[Any] = []
        self._connecting = asyncio.Lock()
        self._used = 0  # reading connections that are working
        self._era = 0  # counts the servers: a connection of an earlier one is not used again
        self._turns = asyncio.Semaphore(READERS)
        self._closed = False
        self._direct: bool | None = None  # whether nobody stands between us and the server; None: not asked yet
        self._gatherer = Gatherer(self._reading, self._translate)

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement, together with others of the same text. Raises Unavailable."""
        if self._direct:
            return await within(self._gatherer.fetch(sql, parameters))

        async def work(connection: Any) -> Sequence[Row]:
            return (await execute(connection, Statement(sql, parameters), self._translate)).rows

        return await within(self._reading(work))

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads that all see the same state. Raises Unavailable."""

        async def work(connection: Any) -> T:
            await connection.execute(self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"))
            try:
                value = await drive(connection, batch, self._translate)
            except asyncpg.ReadOnlySQLTransactionError as error:
                await connection.execute("ROLLBACK")
                raise Fault(str(error)) from None
            except Exception:  # not a cancellation: the connection is then given up, without another word
                with contextlib.suppress(*LOST, asyncpg.PostgresError):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
            return value

        return await within(self._reading(work))

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable.

        A caller that is cancelled while it waits does not know whether the batch was written.
        """
        if self._closed:
            raise Unavailable("the database is closed")
        job = Job(batch)
        self._writer.submit(job)
        value: T = await within(job.future)
        return value

    def watch(self, tables: str) -> Watch:  # noqa: ARG002 - the database's interface
        """Return a watch that cannot tell: asking the server costs as much as reading."""
        return Unwatched()

    async def close(self) -> None:
        """Finish what is queued and close."""
        if self._closed:
            return
        self._closed = True
        await self._writer.stop()
        for _ in range(READERS):
            await self._turns.acquire()  # reads under way end first
        for connection in self._idle:
            await hang_up(connection)

    def _begin(self, verb: str) -> str:
        """Return how a transaction begins; behind a pooler each has to bring the bounds of its time along."""
        local = () if self._direct else (f"SET LOCAL {bound}" for bound in BOUNDS)
        return "; ".join((verb, self._path, *local))

    def _moved(self) -> None:
        """Read no more where the writing connection was lost: the address may lead to another server by now."""
        self._era += 1
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.terminate()

    async def _reading(self, work: Callable[[Any], Awaitable[T]]) -> T:
        if self._closed:
            raise Unavailable("the database is closed")
        try:
            async with asyncio.timeout(batch_seconds()), self._turns:
                return await self._read(work)
        except TimeoutError as error:
            raise Unavailable("the database did not answer in time", Reason.TIMEOUT) from error

    async def _read(self, work: Callable[[Any], Awaitable[T]]) -> T:
        while True:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_closed():
                    continue
                try:
                    return await self._use(connection, work)
                except Unavailable:
                    if not connection.is_closed():
                        raise  # it answered, and refused
            connection = await self._one_more()
            if connection is not None:
                return await self._use(connection, work)

    async def _one_more(self) -> Any:
        """Open a connection; None when one of those we have came back instead, since there are no more for us."""
        async with self._connecting:  # one by one: who comes second knows what the first one got
            try:
                return await self._connect()
            except Unavailable as error:
                if error.reason is not Reason.CONNECTIONS or not (self._used or self._idle):
                    raise
        await asyncio.sleep(_PAUSE)
        return None

    async def _use(self, connection: Any, work: Callable[[Any], Awaitable[T]]) -> T:
        era = self._era
        self._used += 1
        try:
            try:
                value = await work(connection)
            except asyncpg.UndefinedTableError:
                # Another process has migrated meanwhile.
                await learn_tables(connection, self._translate, self._config.schema)
                value = await work(connection)
        except BaseException as error:
            self._put_back(connection, lost=is_lost(connection, error) or era != self._era)
            if isinstance(error, Exception):
                raise meaning(error) from None  # the driver's error quotes values
            raise
        self._put_back(connection, lost=era != self._era)
        return value

    def _put_back(self, connection: Any, *, lost: bool) -> None:
        self._used -= 1
        if lost:
            connection.terminate()
        else:
            self._idle.append(connection)

    async def _connect(self) -> Any:
        """Open a connection: with prepared statements, unless a pooler stands between us and the server."""
        if self._direct is not False:
            connection = await connect(self._config, statements=STATEMENTS_KEPT)
            try:
                self._direct = await is_direct(connection)
            except (*LOST, asyncpg.PostgresError) as error:
                connection.terminate()
                raise meaning(error) from None
            if self._direct:
                await self._bound(connection)
                return connection
            _log.info("a pooler stands before PostgreSQL: statements are not kept prepared")
            await hang_up(connection)
        return await connect(self._config, statements=0)

    async def _bound(self, connection: Any) -> None:
        try:
            await bound(connection)
        except (*LOST, asyncpg.PostgresError) as error:
            connection.terminate()
            raise meaning(error) from None

    async def start(self, *, create: bool) -> None:
        """Make the schema if it is missing and wanted, learn its tables, tell of neighbours. Raises Unavailable."""
        connection = await self._connect()
        try:
            async with asyncio.timeout(UNHURRIED):
                if create:
                    await self._make_schema(connection)
                await learn_tables(connection, self._translate, self._config.schema)
                await self._tell_of_neighbours(connection)
        except (*LOST, asyncpg.PostgresError) as error:
            raise meaning(error) from None
        finally:
            await hang_up(connection)

    async def _make_schema(self, connection: Any) -> None:
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

    async def _tell_of_neighbours(self, connection: Any) -> None:
        found = await connection.fetchval(
            "SELECT schemaname FROM pg_catalog.pg_tables WHERE tablename = 'authentik_core_user' AND schemaname <> $1",
            self._config.schema,
        )
        if found is not None:
            _log.info(
                "authentik's own tables are in this database (schema %s); they are not read and not touched, "
                "everything of Ostiary is in schema %s",
                found,
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
