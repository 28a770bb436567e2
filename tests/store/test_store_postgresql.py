"""What belongs to PostgreSQL: TLS, one schema, neighbours, retries, and a server that goes away."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from support.postgres import ROLE, PostgresServer, make_server

from ostiary.seal import Secret
from ostiary.store.counter import next_number
from ostiary.store.database import Batch, Database, Statement, Unavailable
from ostiary.store.migrations import migrate
from ostiary.store.postgresql.connection import _tls
from ostiary.store.postgresql.dialect import Translator
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.postgresql.writer import ATTEMPTS, OutcomeUnknown
from ostiary.store.tables import MIGRATIONS


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of the test's own, with full durability, to be stopped and started."""
    server = make_server(fsync=True)
    yield server
    server.remove()


def config(**changes: object) -> PostgresConfig:
    values = {"host": "127.0.0.1", "port": 5432, "name": "x", "user": "x", "password": Secret("x")}
    return PostgresConfig(**{**values, **changes})  # type: ignore[arg-type]


def run(*statements: Statement) -> Batch[None]:
    for statement in statements:  # noqa: UP028 - a tuple cannot be sent results
        yield statement


def put(name: str) -> Batch[None]:
    yield Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


async def names(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch("SELECT name FROM counter ORDER BY name")]


# Going away and coming back


async def test_a_restart_is_survived(own_server: PostgresServer) -> None:
    database = await open_postgresql(own_server.create_database())
    await migrate(database, MIGRATIONS, now=1)
    await database.write(partial(put, "before"))
    assert await names(database) == ["before"]
    own_server.stop(signal.SIGQUIT)
    answers = await asyncio.gather(
        *(database.write(partial(put, f"lost {number}")) for number in range(5)),
        names(database),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [Unavailable] * 6
    own_server.start()
    answers = await asyncio.gather(
        *(database.write(partial(put, f"x{number}")) for number in range(5)), names(database)
    )
    assert await names(database) == ["before", *(f"x{number}" for number in range(5))]
    await database.close()


async def test_a_restart_between_two_uses_is_not_noticed(own_server: PostgresServer) -> None:
    database = await open_postgresql(own_server.create_database())
    await migrate(database, MIGRATIONS, now=1)
    await asyncio.gather(*(names(database) for _ in range(4)), database.write(partial(put, "before")))
    own_server.stop()
    own_server.start()
    answers = await asyncio.gather(database.write(partial(put, "after")), *(names(database) for _ in range(8)))
    assert answers[0] is None
    assert await names(database) == ["after", "before"]
    await database.close()


async def test_connections_ended_by_an_administrator_are_replaced(
    postgres_server: PostgresServer, postgres_config: PostgresConfig
) -> None:
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    assert await names(database) == []
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{postgres_config.name}'"
    for number in range(3):
        postgres_server.admin(end)
        await database.write(partial(put, str(number)))
        postgres_server.admin(end)
        assert len(await names(database)) == number + 1
    await database.close()


async def test_a_cancelled_read_frees_its_place(postgres_config: PostgresConfig) -> None:
    database = await open_postgresql(postgres_config)
    sleeping = [asyncio.create_task(database.fetch("SELECT pg_sleep(60)")) for _ in range(10)]
    await asyncio.sleep(0.2)
    for task in sleeping:
        task.cancel()
    answers = await asyncio.gather(*sleeping, return_exceptions=True)
    assert {type(answer) for answer in answers} == {asyncio.CancelledError}
    rows = await asyncio.wait_for(asyncio.gather(*(database.fetch("SELECT 1 AS one") for _ in range(8))), 60)
    assert len(rows) == 8
    await database.close()


async def test_many_may_open_a_new_database_at_once(postgres_config: PostgresConfig) -> None:
    databases = await asyncio.gather(*(open_postgresql(postgres_config) for _ in range(8)))
    assert sum(await asyncio.gather(*(migrate(one, MIGRATIONS, now=1) for one in databases))) == len(MIGRATIONS)
    await asyncio.gather(*(one.close() for one in databases))


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable, match=r"PostgreSQL at 127\.0\.0\.1:1 cannot be reached"):
        await open_postgresql(config(port=1))


async def test_a_wrong_database_is_unavailable(postgres_server: PostgresServer) -> None:
    with pytest.raises(Unavailable, match="does not exist"):
        await open_postgresql(postgres_server.config("nowhere"))


# Neighbours


async def test_everything_is_in_one_schema(postgres_server: PostgresServer, postgres_config: PostgresConfig) -> None:
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    await database.write(lambda: next_number("a"))
    rows = await database.fetch(
        "SELECT DISTINCT schemaname FROM pg_catalog.pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    )
    assert [row["schemaname"] for row in rows] == ["ostiary"]
    assert (await database.fetch("SELECT current_setting('search_path') AS path"))[0]["path"] == '"$user", public'
    await database.close()


async def test_neighbours_with_the_same_names_are_told_and_not_touched(
    postgres_server: PostgresServer, postgres_config: PostgresConfig, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ("authentik_core_user (id int)", "counter (name text, value int)", "schema_step (number int)")
    creations = [f"CREATE TABLE public.{table}; GRANT ALL ON public.{table.split()[0]} TO {ROLE}" for table in tables]
    postgres_server.admin(*creations, "INSERT INTO public.schema_step VALUES (99999)", database=postgres_config.name)
    caplog.set_level(logging.INFO, "ostiary.store")
    database = await open_postgresql(postgres_config)
    assert [record.message for record in caplog.records if "authentik's own tables" in record.message]
    await migrate(database, MIGRATIONS, now=1)
    await database.write(partial(put, "ours"))
    assert await names(database) == ["ours"]
    assert (await database.fetch("SELECT count(*) AS n FROM public.counter"))[0]["n"] == 0
    await database.close()


async def test_another_schema_may_be_chosen(postgres_server: PostgresServer, postgres_config: PostgresConfig) -> None:
    first = await open_postgresql(postgres_config)
    odd = await open_postgresql(postgres_server.config(postgres_config.name, schema='o"dd name'))
    for database in (first, odd):
        await migrate(database, MIGRATIONS, now=1)
    await odd.write(partial(put, "odd"))
    assert await names(first) == []
    assert await names(odd) == ["odd"]
    await first.close()
    await odd.close()


async def test_a_role_that_may_not_make_the_schema_is_told_what_to_run(
    postgres_server: PostgresServer, postgres_config: PostgresConfig
) -> None:
    postgres_server.admin(f"ALTER DATABASE {postgres_config.name} OWNER TO admin")
    with pytest.raises(Unavailable, match="CREATE SCHEMA"):
        await open_postgresql(postgres_config)
    postgres_server.admin(f"CREATE SCHEMA ostiary AUTHORIZATION {ROLE}", database=postgres_config.name)
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    await database.close()


# Several processes


async def test_two_programs_count_together(postgres_config: PostgresConfig) -> None:
    first, second = await open_postgresql(postgres_config), await open_postgresql(postgres_config)
    await migrate(first, MIGRATIONS, now=1)
    numbers = await asyncio.gather(*(one.write(lambda: next_number("x")) for one in (first, second) for _ in range(30)))
    assert sorted(numbers) == list(range(1, 61))
    await first.close()
    await second.close()


async def test_deadlocks_are_tried_again(postgres_config: PostgresConfig) -> None:
    databases = [await open_postgresql(postgres_config) for _ in range(2)]
    await migrate(databases[0], MIGRATIONS, now=1)
    await databases[0].write(partial(run, Statement("INSERT INTO counter (name, value) VALUES ('a', 0), ('b', 0)")))
    raise_ = "UPDATE counter SET value = value + 1 WHERE name = ?"
    pause = Statement("SELECT pg_sleep(0.2)")

    def crossing(one: str, other: str) -> Batch[None]:
        return run(Statement(raise_, (one,)), pause, Statement(raise_, (other,)))

    await asyncio.gather(
        databases[0].write(partial(crossing, "a", "b")),
        databases[1].write(partial(crossing, "b", "a")),
    )
    rows = await databases[0].fetch("SELECT value FROM counter")
    assert [row["value"] for row in rows] == [2, 2]
    for database in databases:
        await database.close()


async def test_what_deadlocks_every_time_is_unavailable(postgres_config: PostgresConfig) -> None:
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    runs: list[int] = []

    def unlucky() -> Batch[None]:
        runs.append(1)
        yield Statement("SELECT 1 AS one")
        raise asyncpg.DeadlockDetectedError("deadlock detected")

    answers = await asyncio.gather(database.write(unlucky), database.write(partial(put, "a")), return_exceptions=True)
    assert isinstance(answers[0], Unavailable)
    assert len(runs) == 2 + ATTEMPTS  # looked at once: does it only insert? then with the group, then alone
    assert await names(database) == ["a"]
    await database.close()


async def test_a_connection_lost_in_the_commit_is_told_as_unknown_and_not_repeated(
    postgres_config: PostgresConfig,
) -> None:
    database = await open_postgresql(postgres_config)
    await migrate(database, MIGRATIONS, now=1)
    function = (
        "CREATE FUNCTION suicide() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
    )
    trigger = (
        "CREATE CONSTRAINT TRIGGER last AFTER INSERT ON counter DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.name = 'last') EXECUTE FUNCTION suicide()"
    )
    await database.write(partial(run, Statement(function), Statement(trigger)))
    answers = await asyncio.gather(
        *(database.write(partial(put, name)) for name in ("last", "x")), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [OutcomeUnknown, OutcomeUnknown]
    await database.write(partial(put, "after"))
    assert await names(database) == ["after"]
    await database.close()


# TLS


async def test_a_server_proves_who_it_is(own_server: PostgresServer, tmp_path: Path) -> None:
    certificate, key = own_server.folder / "server.crt", own_server.folder / "server.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    owner = own_server.folder.stat()
    os.chown(key, owner.st_uid, owner.st_gid)
    key.chmod(0o600)
    own_server.stop()
    own_server.start(ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key))
    name = own_server.create_database().name

    async def attempt(**changes: object) -> bool:
        database = await open_postgresql(own_server.config(name, **changes))
        rows = await database.fetch("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        await database.close()
        return bool(rows[0]["ssl"])

    assert await attempt(host="localhost", sslmode="verify-full", sslrootcert=str(certificate))
    assert await attempt(sslmode="verify-ca", sslrootcert=str(certificate))
    assert await attempt(sslmode="require")
    assert await attempt()  # on loopback: when the server offers it
    assert not await attempt(sslmode="disable")
    for changes in ({"host": "localhost"}, {"sslrootcert": str(certificate)}):  # an unknown authority, another name
        with pytest.raises(Unavailable, match=r"AUTHENTIK_POSTGRESQL__SSLMODE.*OSTIARY_POSTGRESQL__SSLMODE"):
            await attempt(sslmode="verify-full", **changes)
    with pytest.raises(Unavailable):
        await attempt(sslmode="require", sslcert=str(certificate), sslkey=str(tmp_path / "missing"))


@pytest.mark.parametrize(
    ("host", "sslmode", "expected"),
    [
        ("127.0.0.1", None, "prefer"),
        ("localhost", "", "prefer"),
        ("::1", None, "prefer"),
        ("/run/postgresql", None, "prefer"),
        ("db.example.org", None, "verify-full"),
        ("10.0.0.5", "", "verify-full"),
        ("db.example.org", "disable", "disable"),
        ("127.0.0.1", "require", "require"),
    ],
)
def test_the_tls_mode(host: str, sslmode: str | None, expected: str) -> None:
    assert config(host=host, sslmode=sslmode).tls() == expected


async def test_an_unknown_tls_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="verify-full"):
        await open_postgresql(config(sslmode="sometimes"))


def test_what_a_mode_verifies() -> None:
    assert _tls(config(), "prefer") == "prefer"
    full, authority, encrypted = (_tls(config(), mode) for mode in ("verify-full", "verify-ca", "require"))
    assert isinstance(full, ssl.SSLContext)
    assert isinstance(authority, ssl.SSLContext)
    assert isinstance(encrypted, ssl.SSLContext)
    assert (full.check_hostname, full.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert (authority.check_hostname, authority.verify_mode) == (False, ssl.CERT_REQUIRED)
    assert (encrypted.check_hostname, encrypted.verify_mode) == (False, ssl.CERT_NONE)


async def test_a_server_without_tls_names_the_setting(
    postgres_config: PostgresConfig, postgres_server: PostgresServer
) -> None:
    with pytest.raises(Unavailable, match="AUTHENTIK_POSTGRESQL__SSLMODE"):
        await open_postgresql(postgres_server.config(postgres_config.name, sslmode="verify-full"))


def test_certificates_that_cannot_be_read_are_told() -> None:
    async def attempt() -> None:
        await open_postgresql(config(port=1, sslmode="verify-full", sslrootcert="/nowhere/ca.pem"))

    with pytest.raises(Unavailable, match=r"/nowhere/ca\.pem"):
        asyncio.run(attempt())


def test_the_driver_is_not_loaded_before_it_is_used() -> None:
    code = "import ostiary.store.postgresql.opening, ostiary.store.sqlite.database, sys; sys.exit('asyncpg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Texts


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a FROM t WHERE b = ? AND c = ?", 'SELECT a FROM "s".t WHERE b = $1 AND c = $2'),
        ("SELECT '?', \"?\" FROM u -- ?\nWHERE a = ?", "SELECT '?', \"?\" FROM u -- ?\nWHERE a = $1"),
        ("INSERT INTO t (a) VALUES (?)", 'INSERT INTO "s".t (a) VALUES ($1)'),
        ("insert into t(a) values (?)", 'insert into "s".t(a) values ($1)'),
        ("UPDATE t SET a = ? WHERE b IN (SELECT b FROM t)", 'UPDATE "s".t SET a = $1 WHERE b IN (SELECT b FROM "s".t)'),
        ("DELETE FROM public.t", "DELETE FROM public.t"),
        ("SELECT a FROM x JOIN t ON t.a = x.a", 'SELECT a FROM x JOIN "s".t ON t.a = x.a'),
        ("SELECT a FROM t ON CONFLICT DO UPDATE SET a = 1", 'SELECT a FROM "s".t ON CONFLICT DO UPDATE SET a = 1'),
        ("SELECT a IS DISTINCT FROM b", "SELECT a IS DISTINCT FROM b"),
        ("SELECT 'from t'", "SELECT 'from t'"),
    ],
)
def test_a_text_is_translated(sql: str, expected: str) -> None:
    translate = Translator("s")
    translate.learn(["t"])
    assert translate(sql).sql == expected
    assert translate(sql) is translate(sql)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT 1", True),
        ("\n  with x as (select 1) select 1", True),
        ("INSERT INTO t VALUES (1) RETURNING a", True),
        ("DELETE FROM t", False),
        ("CREATE TABLE t (a int)", False),
    ],
)
def test_which_texts_give_rows(sql: str, rows: bool) -> None:
    assert Translator("s")(sql).rows is rows


def test_the_cache_of_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.store.postgresql.dialect._CACHE_SIZE", 3)
    translate = Translator("s")
    for number in range(10):
        translate(f"SELECT {number}")
    assert len(translate._texts) <= 3


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "hush" not in repr(config(password=Secret("hush")))
