"""What the PostgreSQL back end does when a connection breaks at a given moment: a scripted connection, no server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import asyncpg
import pytest

from ostiary.seal import Secret
from ostiary.store.database import Batch, Reason, Unavailable
from ostiary.store.postgresql import database as module
from ostiary.store.postgresql.config import PostgresConfig
from ostiary.store.postgresql.database import PostgresDatabase
from ostiary.store.postgresql.dialect import Translator
from ostiary.store.postgresql.shared_reads import SharedReads
from ostiary.store.postgresql.writer import ATTEMPTS, QueuedBatch, Writer

READ = "SELECT 1 AS x WHERE 1 = ?"


class Connection:
    """Raises what stands next in `errors` (None: goes on) at each statement."""

    def __init__(self, *errors: BaseException | None) -> None:
        self.errors = list(errors)
        self.closed = False
        self.said: list[str] = []
        self.pause = 0.0

    async def execute(self, sql: str, *_parameters: Any) -> str:
        self.said.append(sql)
        await asyncio.sleep(self.pause)
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        return "SELECT 1"

    async def fetch(self, sql: str, *_parameters: Any) -> list[Any]:
        await self.execute(sql)
        return []

    async def prepare(self, sql: str) -> Any:
        await self.execute(sql)
        return self

    def get_parameters(self) -> Sequence[Any]:
        return ()

    def get_statusmsg(self) -> str:
        return "SELECT 0"

    def get_server_pid(self) -> int:
        return 1

    def is_closed(self) -> bool:
        return self.closed

    def terminate(self) -> None:
        self.closed = True

    async def close(self, *, timeout: float) -> None:
        self.closed = True


def empty(value: str = "done") -> Callable[[], Batch[str]]:
    def batch() -> Batch[str]:
        yield from ()
        return value

    return batch


class Server:
    """Gives out scripted connections, and counts what was lost."""

    def __init__(self, *connections: Connection | BaseException) -> None:
        self.connections = list(connections)
        self.moves = 0
        self.writer = Writer(self.connect, Translator("public"), self.learn, begin=lambda: "BEGIN", on_lost=self.moved)

    async def connect(self) -> Connection:
        found = self.connections.pop(0)
        if isinstance(found, BaseException):
            raise found
        return found

    async def learn(self, _connection: Any) -> None:
        return

    def moved(self) -> None:
        self.moves += 1

    async def write(self, batch: Callable[[], Batch[str]] | None = None, *, seconds: float | None = None) -> str:
        job = QueuedBatch(batch or empty())
        job.seconds = job.seconds if seconds is None else seconds
        self.writer.submit(job)
        return str(await asyncio.wait_for(job.future, 5))


@contextlib.asynccontextmanager
async def serving(*connections: Connection | BaseException) -> AsyncIterator[Server]:
    server = Server(*connections)
    yield server
    await server.writer.stop()


async def test_a_connection_that_was_lost_meanwhile_is_replaced() -> None:
    first, second = Connection(None, None, asyncpg.AdminShutdownError("bye")), Connection()
    async with serving(first, second) as server:
        assert await server.write() == "done"
        assert await server.write() == "done"
        assert server.moves == 1
        assert second.said == ["BEGIN", "COMMIT"]


async def test_an_error_of_the_batch_does_not_cost_the_connection() -> None:
    first = Connection(None, None, asyncpg.UniqueViolationError("taken"))
    async with serving(first) as server:
        await server.write()
        with pytest.raises(Exception, match="taken"):
            await server.write()
        assert await server.write() == "done"
        assert server.moves == 0


async def test_a_server_that_hangs_is_given_up_after_the_time_of_the_batch() -> None:
    first, second = Connection(), Connection()
    async with serving(first, second) as server:
        await server.write()
        first.pause = 1.0
        with pytest.raises(Unavailable) as raised:
            await server.write(seconds=0.02)
        assert raised.value.reason is Reason.TIMEOUT
        assert first.closed
        assert await server.write() == "done"


async def test_a_deadlock_is_tried_again_and_then_told() -> None:
    async with serving(Connection(asyncpg.DeadlockDetectedError("x"))) as server:
        assert await server.write() == "done"
    always = Connection()
    always.errors = [error for _ in range(ATTEMPTS + 1) for error in (asyncpg.DeadlockDetectedError("x"), None)]
    async with serving(always) as server:
        with pytest.raises(Unavailable) as raised:
            await server.write()
        assert raised.value.reason is Reason.CONTENTION


async def test_of_a_group_that_failed_each_is_run_alone_and_who_left_is_not() -> None:
    async with serving(Connection(asyncpg.DeadlockDetectedError("x"), None)) as server:
        jobs = [QueuedBatch(empty(str(number))) for number in range(3)]
        for job in jobs:
            server.writer.submit(job)
        jobs[1].future.cancel()
        assert [await jobs[0].future, await jobs[2].future] == ["0", "2"]


async def test_an_error_alone_reaches_its_caller() -> None:
    def wrong() -> Batch[str]:
        yield from ()
        raise ValueError("mine")

    async with serving(Connection()) as server:
        jobs = [QueuedBatch(empty("a")), QueuedBatch(wrong)]
        for job in jobs:
            server.writer.submit(job)
        assert await jobs[0].future == "a"
        with pytest.raises(ValueError, match="mine"):
            await jobs[1].future


async def test_the_writer_goes_on_after_a_failure_that_nobody_expected() -> None:
    async with serving(asyncio.CancelledError(), Connection()) as server:
        with pytest.raises(Unavailable, match="the writer failed: CancelledError"):
            await server.write()
        assert await server.write() == "done"


async def test_a_writer_that_has_ended_says_so() -> None:
    server = Server(Connection())
    server.connections[0].pause = 5.0  # type: ignore[union-attr]
    waiting = asyncio.create_task(server.write())
    await asyncio.sleep(0.02)
    server.writer._task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await server.writer._task
    waiting.cancel()
    with pytest.raises(Unavailable, match="the writer has ended"):
        await server.write()


async def test_what_takes_its_time_is_a_group_of_its_own() -> None:
    connection = Connection()
    async with serving(connection) as server:
        short, long = QueuedBatch(empty("short")), QueuedBatch(empty("long"))
        long.seconds = 60.0
        for job in (short, long):
            server.writer.submit(job)
        assert [await short.future, await long.future] == ["short", "long"]
    assert connection.said == ["BEGIN", "COMMIT"] * 2


async def test_who_has_gone_is_not_answered() -> None:
    job = QueuedBatch(empty())
    job.future.cancel()
    job.succeed()
    job.fail(ValueError("x"))
    assert job.future.cancelled()


# Reads that travel together


def shared_reads(connection: Connection) -> SharedReads:
    async def reading(work: Callable[[Any], Any]) -> None:
        await work(connection)

    return SharedReads(reading, Translator("public"))


async def test_reads_that_cannot_travel_together_are_answered_singly() -> None:
    for sql in ("UPDATE x SET a = ?", "SELECT 1 AS x WHERE 1 = ? FOR UPDATE", READ):  # the last: no types are known
        reads = shared_reads(Connection())
        answers = await asyncio.gather(*(reads.fetch(sql, (number,)) for number in range(2)))
        assert [list(rows) for rows in answers] == [[], []]


async def test_a_table_that_is_not_known_yet_is_told_to_whoever_learns_tables() -> None:
    reads = shared_reads(Connection(asyncpg.UndefinedTableError("x"), asyncpg.UndefinedTableError("x")))
    answers = await asyncio.gather(*(reads.fetch(READ, (one,)) for one in range(2)), return_exceptions=True)
    assert all(isinstance(answer, asyncpg.UndefinedTableError) for answer in answers)


async def test_a_connection_lost_in_the_middle_is_told_to_every_reader() -> None:
    for errors in ([None, None, ConnectionResetError("gone")], [None, ConnectionResetError("gone")]):
        reads = shared_reads(Connection(*errors))
        answers = await asyncio.gather(*(reads.fetch(READ, (one,)) for one in range(2)), return_exceptions=True)
        assert any(isinstance(answer, ConnectionResetError) for answer in answers)


class Typed(Connection):
    """Knows the types of parameters, so that reads travel together."""

    def get_parameters(self) -> Sequence[Any]:
        return (type("Type", (), {"name": "int4"}),)


async def test_an_error_of_all_together_is_looked_for_singly() -> None:
    reads = shared_reads(Typed(None, asyncpg.InvalidTextRepresentationError("x")))
    answers = await asyncio.gather(*(reads.fetch(READ, (one,)) for one in range(2)))
    assert [list(rows) for rows in answers] == [[], []]
    reads = shared_reads(Typed(None, asyncpg.AdminShutdownError("x")))
    failed = await asyncio.gather(*(reads.fetch(READ, (one,)) for one in range(2)), return_exceptions=True)
    assert all(isinstance(answer, asyncpg.AdminShutdownError) for answer in failed)


@pytest.mark.parametrize("kind", [Connection, Typed])
@pytest.mark.parametrize("error", [None, asyncpg.InvalidTextRepresentationError("x")])
async def test_who_gave_up_is_not_answered_and_the_others_are(kind: type[Connection], error: Exception | None) -> None:
    connection = kind()
    connection.pause = 0.02
    reads = shared_reads(connection)
    tasks = [asyncio.create_task(reads.fetch(READ, (one,))) for one in range(3)]
    await asyncio.sleep(0.03)
    connection.errors = [error] * 8 if error is not None else []
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, list | tuple | Exception) for answer in answers[1:])


async def test_when_all_gave_up_the_server_need_not_work() -> None:
    connection = Connection()
    connection.pause = 5.0
    reads = shared_reads(connection)
    task = asyncio.create_task(reads.fetch(READ, (1,)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reads._open == {}


async def test_a_reading_that_is_cancelled_from_outside_leaves_nobody_waiting() -> None:
    async def reading(_work: Callable[[Any], Any]) -> None:
        raise asyncio.CancelledError

    reads = SharedReads(reading, Translator("public"))
    with pytest.raises(asyncio.CancelledError):
        await reads.fetch(READ, (1,))


# Connections for reading


CONFIG = PostgresConfig(host="localhost", port=1, name="x", user="x", password=Secret("unused"))


@pytest.fixture
async def opened(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[PostgresDatabase, list[Any]]]:
    given: list[Any] = []

    async def connect(_config: Any, *, statements: int) -> Any:
        found = given.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(module, "connect", connect)
    database = PostgresDatabase(CONFIG)
    yield database, given
    await database.close()


async def test_a_connection_that_breaks_while_it_is_opened_is_closed(opened: Any) -> None:
    database, given = opened
    for connection in (Connection(ConnectionResetError("gone")), Connection(None, ConnectionResetError("gone"))):
        database._direct = None
        given.append(connection)
        with pytest.raises(Unavailable):
            await database.fetch("SELECT 1")
        assert connection.closed


async def test_an_idle_connection_that_was_closed_is_passed_over(opened: Any) -> None:
    database, given = opened
    dead, alive = Connection(), Connection()
    dead.closed = True
    database._idle_readers = [alive, dead]
    database._direct = False
    assert list(await database.fetch("SELECT 1")) == []
    assert given == []


async def test_a_server_that_refuses_is_not_asked_by_another_connection(opened: Any) -> None:
    database, _ = opened
    database._direct = False
    database._idle_readers = [Connection(asyncpg.InsufficientPrivilegeError("no"))]
    with pytest.raises(Unavailable, match="the database refuses"):
        await database.fetch("SELECT 1")


async def test_a_server_that_breaks_at_the_start_is_told(opened: Any) -> None:
    database, given = opened
    for create in (True, False):
        database._direct = False
        connection = Connection(ConnectionResetError("gone"))
        connection.fetchval = connection.fetch  # type: ignore[attr-defined]
        given.append(connection)
        with pytest.raises(Unavailable):
            await database.start(create=create)
        assert connection.closed


async def test_a_server_that_does_not_answer_a_read_in_time(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    database, _ = opened
    monkeypatch.setattr(module, "batch_seconds", lambda: 0.02)
    slow = Connection()
    slow.pause = 5.0
    database._direct = False
    database._idle_readers = [slow]
    with pytest.raises(Unavailable) as raised:
        await database.fetch("SELECT 1")
    assert raised.value.reason is Reason.TIMEOUT
    assert slow.closed


class New(Connection):
    """A server that has no schema yet."""

    async def fetchval(self, _sql: str, *_parameters: Any) -> None:
        return None


async def test_a_schema_that_another_process_makes_meanwhile_is_there(opened: Any) -> None:
    database, _ = opened
    connection = New(asyncpg.DuplicateSchemaError("x"))
    await database._create_schema(connection)
    assert connection.said == ['CREATE SCHEMA IF NOT EXISTS "ostiary"']
    with pytest.raises(Unavailable, match="may not create a schema"):
        await database._create_schema(New(asyncpg.InsufficientPrivilegeError("x")))


async def test_a_watch_on_a_server_cannot_tell(opened: Any) -> None:
    assert opened[0].watch("directory_").state() is None
