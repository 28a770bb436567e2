"""What a database does to those who ask while it fails over, hangs, is locked by others or has no more connections."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from support.forwarder import Forwarder, forwarding
from support.postgres import REPLICATES, ROLE, PostgresServer, make_server
from support.schema import all_migrations
from support.waiting import PATIENCE

from ostiary.store import timeouts
from ostiary.store.database import Batch, Database, Reason, Statement, StoreError, Unavailable, WrongStatement
from ostiary.store.migrations import migrate
from ostiary.store.postgresql import connection
from ostiary.store.postgresql.connection import is_lost, translate_error
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.timeouts import begin_request, extended_timeout, with_timeout


def put(name: str) -> Batch[None]:
    yield Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


def mark(number: int) -> Batch[None]:
    sql = "INSERT INTO single_use (namespace, hash, body, expires) VALUES ('t', ?, '{}', 1)"
    yield Statement(sql, (bytes([number]),))


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch("SELECT name FROM counter ORDER BY name")]


async def refusal(work: Any) -> Reason:
    with pytest.raises(Unavailable) as caught:
        await work
    return caught.value.reason


async def ask(work: Any) -> Reason:
    """Ask as a request does, which has its own time."""
    begin_request()
    return await refusal(work())


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody is quick, so that the test is."""
    monkeypatch.setattr(timeouts, "TIMEOUT", 0.5)
    monkeypatch.setattr(connection, "TIMEOUT_SETTINGS", ("lock_timeout = 100", "statement_timeout = 2000"))


# A failover behind a stable address


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and its standby."""
    primary = make_server()
    primary.stop()
    primary.start(**REPLICATES)
    standby = primary.standby()
    yield primary, standby
    standby.remove()
    primary.remove()


async def caught_up(primary: PostgresServer, standby: PostgresServer, config: PostgresConfig) -> None:
    """Wait until the standby has what was written; at first it has not even the database."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                direct = await open_postgresql(standby.config(config.name))
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            try:
                if await names(direct) == ["before"]:
                    return
            except StoreError:
                pass  # the tables are on their way
            finally:
                await direct.close()
            await asyncio.sleep(0.05)


async def test_after_a_failover_it_writes_and_reads_where_the_address_leads(
    pair: tuple[PostgresServer, PostgresServer],
) -> None:
    primary, standby = pair
    config = primary.create_database()
    async with forwarding(primary.port) as address:
        database = await open_postgresql(primary.config(config.name, port=address.port))
        await migrate(database, all_migrations(), now=1)
        await database.write(partial(put, "before"))
        await caught_up(primary, standby, config)
        # The address leads to the standby for a while, and whoever connects then is there to stay.
        address.target = standby.port
        address.cut()
        assert await names(database) == ["before"]
        assert await refusal(database.write(partial(put, "lost"))) is Reason.READ_ONLY
        address.target = primary.port
        await asyncio.gather(*(database.write(partial(put, f"after {number}")) for number in range(3)))
        assert await names(database) == ["after 0", "after 1", "after 2", "before"], "read where it is written"
        # The failover itself: the primary is gone, the standby is promoted, and the address follows later.
        primary.stop()
        assert await refusal(database.write(partial(put, "lost"))) is Reason.UNREACHABLE
        address.target = standby.port
        assert await refusal(database.write(partial(put, "lost"))) is Reason.READ_ONLY
        standby.promote()
        await database.write(partial(put, "promoted"))
        assert "promoted" in await names(database)
        await database.close()


async def test_a_server_made_read_only_and_writable_again_is_noticed(
    postgres_server: PostgresServer, postgres_database: Database
) -> None:
    await postgres_database.write(partial(put, "before"))
    postgres_server.admin(f"ALTER ROLE {ROLE} SET default_transaction_read_only = on")
    try:
        name = (await postgres_database.fetch("SELECT current_database() AS name"))[0]["name"]
        postgres_server.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        assert await refusal(postgres_database.write(partial(put, "lost"))) is Reason.READ_ONLY
    finally:
        postgres_server.admin(f"ALTER ROLE {ROLE} RESET default_transaction_read_only")
    await postgres_database.write(partial(put, "after"))
    assert await names(postgres_database) == ["after", "before"]


class Open:
    """A connection that is open."""

    def is_closed(self) -> bool:
        return False


LOST = {
    "08000": Reason.UNREACHABLE,
    "08003": Reason.UNREACHABLE,
    "08006": Reason.UNREACHABLE,
    "08P01": Reason.UNREACHABLE,
    "25006": Reason.READ_ONLY,
    "25P02": Reason.REFUSED,
    "25P03": Reason.REFUSED,
    "25P04": Reason.REFUSED,
    "57P01": Reason.UNREACHABLE,
    "57P02": Reason.UNREACHABLE,
    "57P03": Reason.UNREACHABLE,
    "57P04": Reason.UNREACHABLE,
    "57P05": Reason.UNREACHABLE,
}
KEPT = {
    "40001": Reason.CONTENTION,
    "40P01": Reason.CONTENTION,
    "42501": Reason.REFUSED,
    "53100": Reason.FULL,
    "53200": Reason.REFUSED,
    "53300": Reason.CONNECTIONS,
    "55P03": Reason.LOCKED,
    "57014": Reason.TIMEOUT,
    "58030": Reason.DISK,
    "XX001": Reason.REFUSED,
}


@pytest.mark.parametrize("state", [*LOST, *KEPT])
def test_which_errors_are_a_lost_connection_and_what_each_means(state: str) -> None:
    error = asyncpg.PostgresError.new({"C": state, "M": "words", "S": "ERROR"})
    assert is_lost(Open(), error) == (state in LOST)
    ours = translate_error(error)
    assert isinstance(ours, Unavailable)
    assert ours.reason is {**LOST, **KEPT}[state]


def test_what_is_wrong_with_a_statement_is_no_outage() -> None:
    error = asyncpg.PostgresError.new({"C": "42P01", "M": "no such table", "S": "ERROR"})
    assert isinstance(translate_error(error), WrongStatement)
    assert not is_lost(Open(), error)


# Nobody waits for ever


async def test_a_server_that_hangs_is_given_up_and_comes_back(postgres_database: Database, hurried: None) -> None:
    where = postgres_database._config  # type: ignore[attr-defined]
    async with forwarding(where.port) as address:
        database = await open_postgresql(through(address, where))
        await database.write(partial(put, "before"))
        await names(database)
        address.flows.clear()
        asked = [partial(names, database), partial(database.write, partial(put, "lost")), partial(database.read, look)]
        assert set(await asyncio.gather(*(asyncio.create_task(ask(work)) for work in asked * 4))) == {Reason.TIMEOUT}
        address.flows.set()
        address.cut()
        async with asyncio.timeout(60):
            while True:
                try:
                    await database.write(partial(put, "after"))
                except Unavailable:
                    await asyncio.sleep(0.05)
                else:
                    break
        assert "after" in await names(database)
        await database.close()


def look() -> Batch[int]:
    return len((yield Statement("SELECT name FROM counter")))


def through(address: Forwarder, where: PostgresConfig) -> PostgresConfig:
    return PostgresConfig(
        host="127.0.0.1", port=address.port, name=where.name, user=where.user, password=where.password
    )


async def test_a_foreign_lock_is_told_and_holds_up_nobody_else(
    postgres_server: PostgresServer, postgres_database: Database, hurried: None
) -> None:
    database = await open_postgresql(postgres_database._config)  # type: ignore[attr-defined]
    config = postgres_database._config  # type: ignore[attr-defined]
    holder = await asyncpg.connect(host="127.0.0.1", port=config.port, user=ROLE, database=config.name, password="x")
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("LOCK TABLE ostiary.counter IN ACCESS EXCLUSIVE MODE")
    wanted: list[Any] = [database.write(partial(put, f"x{number}")) for number in range(3)]
    done = await asyncio.gather(
        *wanted, *(database.write(partial(mark, number)) for number in range(3)), return_exceptions=True
    )
    assert [getattr(one, "reason", one) for one in done] == [Reason.LOCKED] * 3 + [None] * 3
    for _ in range(6):
        assert await refusal(names(database)) in {Reason.LOCKED, Reason.TIMEOUT}
    async with asyncio.timeout(30):
        while await holder.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):
            await asyncio.sleep(0.05)
    await transaction.rollback()
    await holder.close()
    await database.write(partial(put, "after"))
    assert await names(database) == ["after"]
    await database.close()


async def test_on_sqlite_too(sqlite_database: Database, tmp_path: Path) -> None:
    file = Path(sqlite_database._path)  # type: ignore[attr-defined]
    database = await open_sqlite(file, lock_timeout=0.1)
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        wanted: list[Any] = [database.write(partial(put, f"x{number}")) for number in range(200)]
        done = await asyncio.gather(*wanted, return_exceptions=True)
        assert {getattr(one, "reason", one) for one in done} == {Reason.LOCKED}
        assert await names(database) == []
        holder.execute("ROLLBACK")
    await database.write(partial(put, "after"))
    assert await names(database) == ["after"]
    await database.close()


async def test_a_request_that_gave_up_is_not_written_later(sqlite_database: Database, hurried: None) -> None:
    file = Path(sqlite_database._path)  # type: ignore[attr-defined]
    database = await open_sqlite(file, lock_timeout=3.0)
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        first = asyncio.create_task(database.write(partial(put, "waits in the thread")))
        await asyncio.sleep(0.05)
        assert await asyncio.create_task(ask(partial(database.write, partial(put, "gave up")))) is Reason.LOCKED
        holder.execute("ROLLBACK")
    await first
    await database.write(partial(put, "after"))
    assert await names(database) == ["after", "waits in the thread"]
    await database.close()


async def test_a_request_has_one_allowance_for_all_it_asks(hurried: None) -> None:
    begin_request()
    allowance = timeouts._allowance.get()
    assert allowance is not None
    await with_timeout(asyncio.sleep(0.2))
    assert allowance.left < 0.5
    assert await refusal(with_timeout(asyncio.sleep(30))) is Reason.TIMEOUT
    assert allowance.left == 0
    with extended_timeout(60):
        assert await refusal(with_timeout(asyncio.sleep(30))) is Reason.TIMEOUT, "a request does not become patient"


async def test_connections_that_are_not_to_be_had(postgres_server: PostgresServer, postgres_database: Database) -> None:
    database = await open_postgresql(postgres_database._config)  # type: ignore[attr-defined]
    await database.write(partial(put, "before"))
    role = await postgres_server._connect("postgres")
    have = await role.fetchval("SELECT count(*) FROM pg_stat_activity WHERE usename = $1", ROLE)
    try:
        await role.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT {have}")
        assert await refusal(names(database)) is Reason.CONNECTIONS
        await role.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT {have + 1}")
        answers = await asyncio.gather(*(database.read(look) for _ in range(8)))
        assert answers == [1] * 8, "the one connection that is to be had serves all, in turn"
    finally:
        await role.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1")
        await role.close()
    await database.close()
