"""Ready means that somebody could sign in: it writes, seldom, and every 503 tells its reason where one looks for it."""

from __future__ import annotations

import asyncio
import json
import logging
import resource
from pathlib import Path
from typing import Any

import pytest
from support.postgres import ROLE, PostgresServer
from support.waiting import wait_until
from test_app_process import Running

from ostiary.app.core import Core
from ostiary.app.errors import UNAVAILABLE
from ostiary.app.health import COUNTER, FULL_SECONDS, RESULT_SECONDS, Health
from ostiary.app.metrics import Metrics
from ostiary.app.site import Built, build_site
from ostiary.store.database import Database, Reason, Unavailable


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(database: Database, clock: Clock) -> Health:
    made = Health(database, clock=clock)
    made.begin()
    return made


async def written(database: Database) -> int:
    rows = await database.fetch("SELECT value FROM counter WHERE name = ?", COUNTER)
    return rows[0]["value"] if rows else 0


async def test_a_flood_of_probes_writes_once(health: Health, database: Database, clock: Clock) -> None:
    assert await asyncio.gather(*(health.why_not_ready() for _ in range(200))) == [""] * 200
    assert await health.is_ready()
    assert await written(database) == 1
    clock.now += RESULT_SECONDS
    assert await health.is_ready()
    assert await written(database) == 2


async def test_a_read_only_sqlite_is_not_ready(sqlite_database: Any, clock: Clock) -> None:
    health = Health(sqlite_database, clock=clock)
    health.begin()
    connections = (sqlite_database._connection, sqlite_database._writer._connection)
    for connection in connections:
        connection.execute("PRAGMA query_only = ON")
    assert await health.why_not_ready() == Reason.READ_ONLY
    for connection in connections:
        connection.execute("PRAGMA query_only = OFF")
    clock.now += RESULT_SECONDS
    assert await health.is_ready()


async def test_a_read_only_postgresql_is_not_ready(
    postgres_server: PostgresServer, postgres_database: Database, clock: Clock
) -> None:
    health = Health(postgres_database, clock=clock)
    health.begin()
    assert await health.is_ready()
    name = (await postgres_database.fetch("SELECT current_database() AS name"))[0]["name"]
    try:
        postgres_server.admin(
            f"ALTER ROLE {ROLE} SET default_transaction_read_only = on",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        clock.now += RESULT_SECONDS
        assert await health.why_not_ready() == Reason.READ_ONLY
        postgres_server.admin(
            f"ALTER ROLE {ROLE} RESET default_transaction_read_only",
            f"ALTER ROLE {ROLE} CONNECTION LIMIT 0",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        clock.now += RESULT_SECONDS
        assert await health.why_not_ready() == Reason.CONNECTIONS
    finally:
        postgres_server.admin(
            f"ALTER ROLE {ROLE} RESET default_transaction_read_only", f"ALTER ROLE {ROLE} CONNECTION LIMIT -1"
        )
    clock.now += RESULT_SECONDS
    assert await health.is_ready()


async def test_a_request_that_found_no_room_is_remembered(health: Health, clock: Clock) -> None:
    health.record_unavailable(Reason.FULL)
    assert await health.why_not_ready() == Reason.FULL
    clock.now += FULL_SECONDS
    assert await health.is_ready()
    health.record_unavailable(Reason.LOCKED)
    assert await health.is_ready(), "what passes by itself is not remembered"


# What a request answers


async def ask(built: Built, method: str, path: str, *, accept: str = "text/html") -> tuple[int, dict[str, str], bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"grant_type=client_credentials&client_id=x", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [
        (b"host", b"localhost:9000"),
        (b"accept", accept.encode()),
        (b"content-type", b"application/x-www-form-urlencoded"),
    ]
    scope = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }
    await built.site(scope, receive, send)
    got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], got, sent[1]["body"]


@pytest.mark.parametrize("reason", list(Reason))
async def test_every_503_tells_its_reason(
    core: Core, reason: Reason, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    metrics = Metrics(version="1")
    built = build_site(core, metrics)

    async def fail(*_: Any, **__: Any) -> Any:
        raise Unavailable("db-7.internal:5432 says no", reason)

    for name in ("fetch", "read", "write"):
        monkeypatch.setattr(core.database, name, fail)
    status, headers, page = await ask(built, "GET", "/if/flow/default-authentication-flow/")
    assert (status, headers["content-type"][:9]) == (503, "text/html")
    assert UNAVAILABLE[reason] in page.decode()
    assert b"db-7" not in page
    (line,) = [one.message for one in caplog.records if "503" in one.message]
    assert f"request {headers['x-authentik-id']} is answered 503, {reason}: db-7.internal:5432 says no" == line

    for path in ("token", "introspect", "revoke", "par", "device", "userinfo"):
        monkeypatch.setattr(built.site, "_handler", fail)
        status, headers, body = await ask(built, "POST", f"/application/o/{path}/")
        told = json.loads(body)
        assert (status, headers["content-type"]) == (503, "application/json"), path
        assert (told["error"], told["error_description"]) == ("temporarily_unavailable", UNAVAILABLE[reason])
        assert (told["code"], told["request_id"]) == (reason, headers["x-authentik-id"])
        assert int(headers["retry-after"]) > 0
    status, _, body = await ask(built, "GET", "/api/v3/core/users/me/")
    assert (status, json.loads(body)["code"]) == (503, reason)
    assert f'ostiary_unavailable_total{{reason="{reason}"}} 8.0' in metrics.page()[0].decode()


async def test_what_a_request_found_full_makes_the_process_not_ready(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build_site(core, Metrics(version="1"))
    built.health.begin()
    assert await built.health.is_ready()

    async def fail(*_: Any) -> Any:
        raise Unavailable("disk full", Reason.FULL)

    monkeypatch.setattr(built.site, "_handler", fail)
    await ask(built, "GET", "/")
    assert await built.health.why_not_ready() == Reason.FULL


# A real process on a disk that takes no more


def test_a_process_whose_files_cannot_grow_is_not_ready_until_they_can(tmp_path: Path) -> None:
    running = Running(tmp_path)
    try:
        running.wait_until_ready()
        assert running.process.pid
        _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
        wait_until(lambda: running.get("/-/health/ready/") == 503, what=running.log.read_text, process=running.process)
        assert running.get("/-/health/live/") == 200
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        running.wait_until_ready()
        assert running.stop() == 0
    finally:
        running.process.kill()
        running.process.wait()
