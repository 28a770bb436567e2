"""Faults of PostgreSQL, on a real one: an operator sees each as the how-to says."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults_postgres import OnPostgres, settings
from faults_seen import Watched
from support.forwarder import forwarding_in_thread
from support.postgres import REPLICATES, PostgresServer, apart, make_server, programs
from support.waiting import wait_until

pytestmark = pytest.mark.timeout(400)


def test_stopped(house: OnPostgres) -> None:
    with house.watched.shows("PostgreSQL is stopped"):
        house.postgres.stop(signal.SIGQUIT)
    house.postgres.start()


@pytest.mark.slow
def test_paused(house: OnPostgres) -> None:
    with house.watched.shows("PostgreSQL is paused"), paused(house.postgres):
        wait_until(lambda: house.watched.ask("/-/health/ready/") == 503, pause=0.2)


@contextmanager
def paused(postgres: PostgresServer) -> Iterator[None]:
    """Freeze every process of a server, as a machine without processor time does."""
    assert postgres.process is not None
    family = [postgres.process.pid, *children(postgres.process.pid)]
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True)
    return [int(line) for line in done.stdout.split()]


def test_ended_connections(house: OnPostgres) -> None:
    with house.watched.shows("PostgreSQL ended our connections"):
        house.end_connections()


def test_slow(house: OnPostgres) -> None:
    try:
        with house.watched.shows("PostgreSQL is slow"):
            house.address.delay = 0.2
        # An answer is late on both ways; without the delay it takes a thousandth of that.
        wait_until(lambda: house.watched.value("ostiary_database_latency_seconds", {}) >= 0.4, pause=0.2)
    finally:
        house.address.delay = 0.0


def test_locked(house: OnPostgres) -> None:
    with house.watched.shows("PostgreSQL holds a foreign lock"):
        # The lock is held by a statement that runs: a connection of the test would have to outlive a loop.
        locker = subprocess.Popen(
            [
                *(
                    str(programs() / "psql"),
                    "-q",
                    "-h",
                    str(house.postgres.folder),
                    "-p",
                    str(house.postgres.port),
                    "-U",
                    "admin",
                ),
                *("-d", house.config.name, "-c", "BEGIN; LOCK ostiary.counter; SELECT pg_sleep(300);"),
            ],
            stdout=subprocess.DEVNULL,
        )
    house.admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(300)%' "
                "AND pid <> pg_backend_pid()")  # fmt: skip
    locker.wait(60)


def test_a_revoked_right(house: OnPostgres) -> None:
    user = house.config.user
    try:
        with house.watched.shows("PostgreSQL revoked a right"):
            house.admin(f"REVOKE ALL ON ostiary.counter FROM {user}")
    finally:
        house.admin(f"GRANT ALL ON ostiary.counter TO {user}")


def test_a_full_disk(house: OnPostgres) -> None:
    """A table that cannot grow: its file is /dev/full, where the kernel says what it says of a full disk."""
    file = house.postgres.folder / "data" / relation(house, "counter")
    house.postgres.stop()
    file.rename(file.with_suffix(".aside"))
    file.symlink_to("/dev/full")
    try:
        with house.watched.shows("The disk of PostgreSQL is full"):
            house.postgres.start()
    finally:
        house.postgres.stop()
        file.unlink()
        file.with_suffix(".aside").rename(file)
        house.postgres.start()


def relation(house: OnPostgres, table: str) -> str:
    async def find() -> str:
        connection = await house.postgres._connect(house.config.name)
        try:
            return str(await connection.fetchval("SELECT pg_relation_filepath($1::regclass)", f"ostiary.{table}"))
        finally:
            await connection.close()

    return apart(find)


def test_read_only(house: OnPostgres) -> None:
    user = house.config.user
    try:
        with house.watched.shows("PostgreSQL is read-only"):
            house.admin(f"ALTER ROLE {user} SET default_transaction_read_only = on")
            house.end_connections()
    finally:
        house.admin(f"ALTER ROLE {user} RESET default_transaction_read_only")


def test_no_free_connection(house: OnPostgres) -> None:
    user = house.config.user
    try:
        with house.watched.shows("PostgreSQL has no free connection"):
            house.admin(f"ALTER ROLE {user} CONNECTION LIMIT 0")
            house.end_connections()
    finally:
        house.admin(f"ALTER ROLE {user} CONNECTION LIMIT -1")


def test_away_at_start(house: OnPostgres, tmp_path: Path) -> None:
    late = Watched(tmp_path, settings(house.config, house.address.port)).start()
    late.stop()
    house.postgres.stop()
    try:
        with late.shows("PostgreSQL is away when we start"):
            late.start(wait=False)
        house.postgres.start()
        late.wait_until_ready()
    finally:
        late.stop()


@pytest.mark.slow
def test_a_failover(tmp_path: Path, make_watched: Callable[..., Watched]) -> None:
    primary = make_server()
    primary.stop()
    primary.start(**REPLICATES)
    config = primary.create_database()
    standby = primary.standby()
    try:
        with forwarding_in_thread(primary.port) as address:
            watched = make_watched(**settings(config, address.port)).start()
            with watched.shows("PostgreSQL fails over"):
                primary.stop()
                wait_until(lambda: watched.ask("/-/health/ready/") == 503, pause=0.2)
                address.target = standby.port
                standby.promote()
            watched.wait_until_ready()
    finally:
        standby.remove()
        primary.remove()
