"""`ostiary events`: the audit log in words, filtered, followed, and one event whole."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cli_runs import Run
from support.waiting import wait_until

from ostiary.app.core import clock
from ostiary.events.event import event
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.workspace.commit import run as written

REQUEST = "0123456789abcdef0123456789abcdef"
ADA = {"pk": 7, "username": "ada"}
HOUR = 3_600_000_000
GRAFANA = {"pk": "1", "name": "Grafana", "slug": "grafana", "client_id": "g-1"}

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write one event, some hours ago."""

    def call(action: str, context: Mapping[str, Any], *, user: Mapping[str, object] | None = ADA, ago: int = 0) -> None:
        async def work() -> None:
            database = await open_sqlite(tmp_path / "data" / "ostiary.db")
            now = clock() - ago * HOUR
            row = event(action, user=user, app="a", context=context, client_ip="192.0.2.1", now=now)
            await database.write(lambda: written([row]))
            await database.close()

        asyncio.run(work())

    return call


@pytest.fixture
def some(run: Run, write: Write) -> Run:
    write("login", {"auth_method": "password"}, ago=30)
    write("login_failed", {"stage": "password"}, ago=3)
    refusal = {"where": "/application/o/authorize/", "reason": "not for you", "request_id": REQUEST}
    write("custom_refused", {**refusal, "application": GRAFANA}, ago=2)
    write("login", {"auth_method": "password"}, user={"pk": 8, "username": "bob"}, ago=1)
    return run


def told(run: Run, *words: str) -> list[str]:
    done = run("events", "--limit", "0", *words)  # the first start alone brings a hundred events
    assert (done.code, done.err) == (0, "")
    return [line for line in done.out.splitlines() if {"ada", "bob"} & set(line.split())]


def test_the_newest_come_last_of_a_day(some: Run) -> None:
    lines = told(some)
    assert [line.split(" ", 1)[1] for line in lines[-3:-1]] == [
        f"ada could not sign in: the password was wrong [192.0.2.1] {lines[-3].split()[-1]}",
        f"ada was refused at /application/o/authorize/ for Grafana: not for you [192.0.2.1] {REQUEST}",
    ]
    assert "bob signed in" in lines[-1]
    assert not any("ada signed in" in line for line in lines)


def test_they_are_filtered(some: Run) -> None:
    assert len(told(some, "--since", "2d", "--action", "login,login_failed")) == 3
    assert len(told(some, "--user", "bob")) == 1
    assert len(told(some, "--user", "ada", "--action", "refused")) == 1
    for name in ("Grafana", "grafana", "G-1"):
        (line,) = told(some, "--app", name)
        assert "not for you" in line
    (line,) = told(some, "--limit", "1", "--action", "login")
    assert "bob" in line


def test_as_json_nothing_is_left_out(some: Run) -> None:
    data = json.loads(some("events", "--json", "--action", "refused").out)
    assert data["context"]["application"] == GRAFANA
    assert data["created"].endswith("Z")


@pytest.mark.parametrize("number", [REQUEST, REQUEST.upper(), f" {REQUEST} "])
def test_one_is_told_whole_by_the_number_of_its_request(some: Run, number: str) -> None:
    done = some("events", "show", number)
    assert done.code == 0
    assert "ada was refused at /application/o/authorize/ for Grafana: not for you" in done.out
    assert f"request_id: {REQUEST}" in done.out


def test_one_is_told_by_its_own_number(some: Run) -> None:
    (line,) = told(some, "--user", "bob")
    assert "bob signed in" in some("events", "show", line.split()[-1]).out


@pytest.mark.parametrize("number", ["123", "%", "0" * 32, "_" * 32, "00000000-0000-0000-0000-000000000000"])
def test_an_unknown_number_is_an_error(some: Run, number: str) -> None:
    done = some("events", "show", number)
    assert done.code == 1
    assert f"no event has the number {number}" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--since", "soon"), "--since soon: expected 30m"),
        (("--action", "sign-in"), "no such action; there are refused"),
    ],
)
def test_what_is_wrong_is_named(some: Run, words: tuple[str, ...], message: str) -> None:
    done = some("events", *words)
    assert done.code == 1
    assert message in done.err


def test_following_goes_on(some: Run, write: Write, tmp_path: Path) -> None:
    output = tmp_path / "followed"
    command = [str(Path(sys.executable).with_name("ostiary")), "events", "--follow", "--limit", "0"]
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, env={**os.environ, "PYTHONUNBUFFERED": "1"}, cwd=tmp_path)
    try:
        wait_until(
            lambda: "bob signed in" in output.read_text(), what="the first events are not printed", process=process
        )
        write("logout", {}, user={"pk": 8, "username": "bob"})
        wait_until(lambda: "bob signed out" in output.read_text(), what="the new event is not printed", process=process)
        assert output.read_text().count("bob signed in") == 1
    finally:
        process.terminate()
        process.wait(30)
