"""Our filters over what a running server writes: each failed sign-in counts for who sent it, and nothing else does."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import live
import pytest
from edge_attempts import PASSWORD, VICTIM, Attempts
from edge_fail2ban import matched
from live import Server

HERE = Path(__file__).parent


def named(server: Server) -> Server:
    """Let the server answer to the address that the attempts come to: they are not of this machine, as they say."""
    server.environ["OSTIARY_HOSTS"] = f"localhost:{server.port}"
    return server


@pytest.fixture(scope="module")
def attempts(make_server: Callable[..., Server]) -> Attempts:
    """All attempts at a server whose log is a file: JSON."""
    server = named(make_server()).start()
    server.cli("blueprint", "apply", str(HERE / "blueprint.yaml"))
    server.add_user("ada", PASSWORD)
    server.add_user("tom", PASSWORD)
    return Attempts(server).all()


@pytest.fixture(scope="module")
def on_terminal(make_server: Callable[..., Server], tmp_path_factory: pytest.TempPathFactory) -> Attempts:
    """The attempts of forgers at a server whose log is a terminal, which a file repeats."""
    server = named(make_server())
    wrapper = tmp_path_factory.mktemp("terminal") / "ostiary"
    spawn = f"import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['{live.OSTIARY}', 'serve'])))"
    wrapper.write_text(f"#!/bin/sh\nexec {sys.executable} -c {shlex.quote(spawn)}\n")
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(live, "OSTIARY", wrapper)
        server.start()
    return Attempts(server).forgeries()


@pytest.fixture(scope="module")
def log(attempts: Attempts) -> Path:
    return attempts.server.folder / "server.log"


def test_each_failed_sign_in_counts_for_who_sent_it_and_nothing_else_does(attempts: Attempts, log: Path) -> None:
    found = matched(log, "ostiary")
    assert found == attempts.failed
    assert VICTIM not in found
    assert not set(found) & set(attempts.good)
    assert sum(found.values()) > 30


def test_on_a_terminal_too(on_terminal: Attempts) -> None:
    log = on_terminal.server.folder / "server.log"
    assert "warning sign-in failed" in log.read_text()
    assert matched(log, "ostiary") == on_terminal.failed


def test_applications_that_fail_count_apart(attempts: Attempts, log: Path) -> None:
    assert matched(log, "ostiary-clients") == attempts.clients


@pytest.mark.parametrize("before", ["host ostiary[12]: ", "Nov 22 01:51:12 door-1.example.org ostiary[12]: "])
def test_the_same_lines_in_the_journal_and_in_syslog(
    attempts: Attempts, log: Path, tmp_path: Path, before: str
) -> None:
    copy = tmp_path / "log"
    copy.write_text("".join(f"{before}{line}\n" for line in log.read_text().splitlines()))
    assert matched(copy, "ostiary") == attempts.failed
    assert matched(copy, "ostiary-clients") == attempts.clients


def test_lines_of_another_program_do_not_count(log: Path, tmp_path: Path) -> None:
    copy = tmp_path / "log"
    copy.write_text("".join(f"host other[12]: {line}\n" for line in log.read_text().splitlines()))
    assert matched(copy, "ostiary") == Counter()


def test_no_secret_is_in_the_log(log: Path) -> None:
    assert PASSWORD not in log.read_text()
