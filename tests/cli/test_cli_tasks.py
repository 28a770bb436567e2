"""`ostiary tasks`: the queue in words, one task whole, and the way back for what was given up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import Run

from ostiary.app.core import clock
from ostiary.store.database import Statement
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.workspace.commit import run as written
from ostiary.tasks.job import enqueue

LOGOUT = "oauth2.backchannel_logout"
MINUTE = 60_000_000

Put = Callable[..., str]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Put a task into the queue, in some state, and return its number."""

    def call(name: str = LOGOUT, *, after: int = 0, **columns: str | int | None) -> str:
        async def work() -> str:
            database = await open_sqlite(tmp_path / "data" / "ostiary.db")
            statement = enqueue(name, {"client": 7}, now=clock(), after=after)
            number = str(statement.parameters[0])
            sets = [
                Statement(f"UPDATE task SET {column} = ? WHERE id = ?", (value, number))
                for column, value in columns.items()
            ]
            await database.write(lambda: written([statement, *sets]))
            await database.close()
            return number

        return asyncio.run(work())

    return call


@pytest.fixture
def dead(run: Run, put: Put) -> str:
    error = "TimeoutError: nobody answers\nmore"
    return put(state="dead", due=None, attempts=14, error=error, finished=clock())


def rows(run: Run, *words: str) -> list[list[str]]:
    done = run("tasks", *words)
    assert done.code == 0
    assert done.err.startswith("No task is ") or (done.out and not done.err)
    return [line.split("\t") for line in done.out.splitlines()]


def test_what_waits_runs_or_was_given_up_is_listed(run: Run, put: Put, dead: str) -> None:
    fresh, failed = put(), put(after=5 * MINUTE, attempts=3, error="Refused: 502")
    runs = put(state="running", attempts=1, due=clock() + MINUTE, owner="w")
    lost = put(state="running", attempts=1, due=clock() - MINUTE, owner="w")
    other = put("gone.in_this_version")
    done = put(state="done", due=None, attempts=1, finished=clock())
    found = {row[0]: row[1:] for row in rows(run)}
    assert found[fresh] == [LOGOUT, "waiting", "0 of 14", "now", "-"]
    assert found[failed][:3] == [LOGOUT, "waiting", "3 of 14"]
    assert found[failed][3].endswith("Z")
    assert found[failed][4] == "Refused: 502"
    assert found[runs][1:4] == ["running", "1 of 14", "runs now"]
    assert found[lost][3] == "now: its worker is lost"
    assert found[dead] == [LOGOUT, "given up", "14 of 14", "-", "TimeoutError: nobody answers"]
    assert found[other][:3] == ["gone.in_this_version", "waiting", "0"]
    assert done not in found
    assert rows(run, "list") == rows(run)


def test_they_are_filtered(run: Run, put: Put, dead: str) -> None:
    put()
    assert [row[0] for row in rows(run, "list", "--state", "dead")] == [dead]
    assert len(rows(run, "list", "--state", "waiting,dead", "--name", LOGOUT)) == 2
    assert rows(run, "list", "--name", "nothing") == []
    done = run("tasks", "list", "--name", LOGOUT, "--limit", "1")
    assert [line.split("\t")[0] for line in done.out.splitlines()] == [dead], "the oldest first"
    assert "--limit 0 shows all" in done.err


def test_pages_of_the_queue_follow_each_other(run: Run, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.tasks.inspection._PAGE", 2)
    moment = clock()
    wanted = {put(created=moment) for _ in range(5)}
    found = [row[0] for row in rows(run, "list", "--name", LOGOUT, "--limit", "0")]
    assert len(found) == 5
    assert set(found) == wanted


def test_one_is_told_whole(run: Run, dead: str) -> None:
    told = run("tasks", "show", dead).out
    assert f"{LOGOUT}: given up" in told
    assert "tries: 14 of 14" in told
    assert "last error: TimeoutError: nobody answers\nmore" in told
    assert 'arguments: {"client":7}' in told


def test_as_json_nothing_is_left_out(run: Run, dead: str) -> None:
    for words in (("list", "--name", LOGOUT), ("show", dead)):
        data = json.loads(run("tasks", *words, "--json").out)
        assert (data["id"], data["state"], data["attempts"], data["args"]) == (dead, "dead", 14, {"client": 7})
        assert data["finished"].endswith("Z")
        assert data["due"] is None
        assert data["error"].endswith("more")


def test_what_was_given_up_is_queued_again(run: Run, dead: str) -> None:
    assert run("tasks", "retry", dead).out == f"{dead} is queued again\n"
    ((number, _, state, tries, due, error),) = rows(run, "list", "--name", LOGOUT)
    assert (number, state, tries, due) == (dead, "waiting", "0 of 14", "now")
    assert error == "TimeoutError: nobody answers"
    again = run("tasks", "retry", dead)
    assert again.code == 1
    assert f"the task {dead} was not given up: it is waiting" in again.err


def test_all_are_queued_again(run: Run, put: Put, dead: str) -> None:
    second = put(state="dead", due=None, attempts=14, finished=clock())
    done = run("tasks", "retry", "--all")
    assert done.out.splitlines() == [f"{dead} is queued again", f"{second} is queued again"]
    assert run("tasks", "retry", "--all").out == "no task was given up\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "--state", "ill"), "--state ill: no such state; there are waiting"),
        (("list", "--state", ","), "--state: expected some of"),
        (("show", "7"), "no task has the number 7"),
        (("retry", "7"), "no task has the number 7"),
        (("retry",), "expected numbers of tasks, or --all"),
        (("retry", "7", "--all"), "expected numbers of tasks, or --all"),
    ],
)
def test_what_is_wrong_is_named(run: Run, words: tuple[str, ...], message: str) -> None:
    done = run("tasks", *words)
    assert done.code == 1
    assert message in done.err


def test_an_empty_queue_says_so_beside_what_a_program_reads(run: Run, put: Put) -> None:
    assert (run("tasks").out, run("tasks").err) == ("", "No task is waiting or running or given up.\n")
    assert run("tasks", "list", "--state", "dead").err == "No task is given up.\n"
    assert run("tasks", "list", "--json").err == ""
    put()
    assert run("tasks").err == ""
