"""What all tests lean on: a closed connection is no answer yet, and a port belongs to one process."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from http.client import RemoteDisconnected
from pathlib import Path
from urllib.error import HTTPError

import httpx2 as httpx
import pytest
from hypothesis import HealthCheck, settings
from support.ports import free_port
from support.waiting import wait_until

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "error",
    [
        RemoteDisconnected("closed"),
        ConnectionRefusedError(),
        httpx.RemoteProtocolError("closed"),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_connection_that_ends_is_no_answer_yet(error: Exception) -> None:
    answers: Iterator[Exception | str] = iter([error, error, "there"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_until(ask, pause=0) == "there"


def test_what_is_no_connection_s_error_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        wait_until(lambda: 1 // 0)


def test_waiting_ends_with_what_was_waited_for_and_the_last_error() -> None:
    def ask() -> str:
        raise ConnectionRefusedError("nobody there")

    with pytest.raises(AssertionError, match=r"the log.*nobody there"):
        wait_until(ask, what=lambda: "the log", seconds=0, pause=0)


def test_a_process_that_has_ended_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        with pytest.raises(AssertionError, match="the process has ended"):
            wait_until(lambda: False, process=process)


def test_a_port_is_given_to_one_process() -> None:
    ours = [free_port() for _ in range(50)]
    assert len(set(ours)) == 50
    code = "from support.ports import _lock; import sys; sys.exit(any(_lock(int(port)) for port in sys.argv[1:]))"
    other = subprocess.run([sys.executable, "-c", code, *map(str, ours)], cwd=TESTS, check=False)
    assert other.returncode == 0, "another process got one of them"


def test_no_test_chooses_a_port_or_waits_in_its_own_way() -> None:
    own = re.compile(r"def _?free_port|unused_tcp_port|deadline = time\.monotonic\(\)")
    support = {"ports.py", "waiting.py", Path(__file__).name}
    files = [path for folder in (TESTS, TESTS.parent / "delivery/tests") for path in folder.rglob("*.py")]
    assert [str(path) for path in files if path.name not in support and own.search(path.read_text())] == []


def test_no_example_is_too_slow() -> None:
    current = settings()
    assert current.deadline is None
    assert HealthCheck.too_slow in current.suppress_health_check


def test_a_response_that_refuses_is_closed() -> None:
    body = io.BytesIO(b"starting")
    answers = iter([HTTPError("http://localhost/", 503, "starting", Message(), body)])

    def check() -> bool:
        for refusal in answers:
            raise refusal
        return True

    assert wait_until(check)
    assert body.closed
