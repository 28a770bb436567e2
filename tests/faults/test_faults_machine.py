"""Faults of SQLite's disk, of the machine's limits and of its clock: an operator sees each as the how-to says."""

from __future__ import annotations

import os
import resource
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx2 as httpx
import pytest
from faults_seen import Watched, table

pytestmark = pytest.mark.timeout(400)

HERE = Path(__file__).parent
Make = Callable[..., Watched]


def test_a_full_disk_of_sqlite(make_watched: Make) -> None:
    watched = make_watched().start()
    watched.stop()
    size = (watched.folder / "data" / "ostiary.db").stat().st_size
    assert size > 100_000
    watched.wrapper = (sys.executable, str(HERE / "faults_full_disk.py"), "65536")
    watched.start()  # the log of writes is small yet
    with watched.shows("The disk of SQLite is full"):
        pass  # it grows with each look at readiness


def test_another_program_locks_sqlite(make_watched: Make) -> None:
    watched = make_watched().start()
    with closing(sqlite3.connect(watched.folder / "data" / "ostiary.db", isolation_level=None)) as other:
        with watched.shows("Another program locks SQLite"):
            other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    watched.wait_until_ready()


def test_no_file_descriptors(make_watched: Make) -> None:
    watched = make_watched().start()
    watched.scrape()  # the connection stays open, as Prometheus keeps it
    _, hard = resource.prlimit(watched.pid, resource.RLIMIT_NOFILE)
    with watched.shows("File descriptors are exhausted"):
        used = max(int(name.name) for name in Path(f"/proc/{watched.pid}/fd").iterdir()) + 1
        resource.prlimit(watched.pid, resource.RLIMIT_NOFILE, (used, hard))
    resource.prlimit(watched.pid, resource.RLIMIT_NOFILE, (hard, hard))
    watched.wait_until_ready()


def test_no_memory(make_watched: Make) -> None:
    watched = make_watched().start()
    watched.scrape()
    # No password was checked yet: what that needs is asked of the system anew.
    _, hard = resource.prlimit(watched.pid, resource.RLIMIT_AS)
    with watched.shows("Memory is exhausted", meanwhile=lambda: sign_in(watched)):
        pages = int(Path(f"/proc/{watched.pid}/statm").read_text().split()[0])
        resource.prlimit(watched.pid, resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + 2**21, hard))
    assert watched.value("ostiary_memory_limit_bytes", {}) > 0
    resource.prlimit(watched.pid, resource.RLIMIT_AS, (hard, hard))
    assert sign_in(watched) == 200, "no place in the queue of passwords was lost"


def sign_in(watched: Watched) -> int:
    """Answer the default flow with a password; return the status of that answer."""
    address = f"http://127.0.0.1:{watched.port}/api/v3/flows/executor/default-authentication-flow/?query="
    with httpx.Client(timeout=60, follow_redirects=True) as client:
        client.get(address)
        client.post(address, json={"component": "ak-stage-identification", "uid_field": os.urandom(4).hex()})
        return client.post(address, json={"component": "ak-stage-password", "password": "x"}).status_code


FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


@pytest.mark.parametrize(("fault", "seconds"), [("The clock was set forward", 7200), ("The clock was set back", -7200)])
def test_the_clock_is_set(make_watched: Make, tmp_path: Path, fault: str, seconds: int) -> None:
    assert FAKETIME, "the tests need a clock that can be set: apt-get install faketime"
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    watched = make_watched(
        LD_PRELOAD=str(FAKETIME[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    ).start()
    with watched.shows(fault):
        clock.write_text(f"{seconds:+d}\n")
    clock.write_text("+0\n")
    watched.wait_until_ready()


def test_each_row_of_the_table_is_provoked() -> None:
    sources = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    assert len(table()) == 17
    assert [fault for fault in table() if f'"{fault}"' not in sources] == []
