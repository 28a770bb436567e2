"""What starts a worker takes its rights away, and refuses to start one where it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.waiting import wait_until

from ostiary.sandbox.workers.processes import launcher

START = (
    "import sys; sys.argv = [{program!r}, 'subprocess']; from ostiary.sandbox import confinement; confinement.main()"
)


@contextmanager
def worker(program: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start the launcher as this interpreter has it, and wait until it has become a worker."""
    command = [sys.executable, "-c", START.format(program=str(program))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
    ) as process:
        try:
            comm = Path(f"/proc/{process.pid}/comm")
            wait_until(lambda: comm.read_text().strip() == "monty", process=process, what="no worker was started")
            yield process
        finally:
            process.kill()


def status_of(process: subprocess.Popen[bytes]) -> Mapping[str, list[str]]:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def limits_of(process: subprocess.Popen[bytes]) -> Mapping[str, list[str]]:
    """Return the soft and the hard limit by the kernel's name."""
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def test_a56_a_worker_has_no_rights() -> None:
    with worker(launcher()) as process:
        status, limits = status_of(process), limits_of(process)
        assert status["NoNewPrivs"] == ["1"]
        assert {status[name][0] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0000000000000000"}
        assert limits["Max address space"] == [str(1 << 30)] * 2
        assert limits["Max open files"] == ["16"] * 2
        assert limits["Max core file size"] == limits["Max file size"] == ["0"] * 2


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user cannot become another one")
def test_a56_a_worker_of_root_is_nobody() -> None:
    with worker(launcher()) as process:
        status = status_of(process)
        assert (status["Uid"], status["Gid"], status["Groups"]) == (["65534"] * 4, ["65534"] * 4, [])


def test_a56_a_worker_has_no_file_and_no_variable_of_the_server() -> None:
    reading, writing = os.pipe()
    try:
        os.set_inheritable(reading, True)
        with worker(launcher(), pass_fds=[reading], env=os.environ | {"OSTIARY_SECRET_KEY": "hunter2"}) as process:
            folder = Path(f"/proc/{process.pid}")
            assert sorted(one.name for one in (folder / "fd").iterdir()) == ["0", "1", "2"]
            assert (folder / "fd" / "2").readlink() == Path("/dev/null")
            assert (folder / "environ").read_bytes() == b""
            assert (folder / "cwd").readlink() == Path("/")
    finally:
        os.close(reading)
        os.close(writing)


def test_a56_a_worker_dies_with_its_server() -> None:
    server = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); time.sleep(600)"
    command = [sys.executable, "-c", server, sys.executable, "-c", START.format(program=str(launcher()))]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        started = int(wait_until(lambda: children.read_text().split(), process=process)[0])
        comm = Path(f"/proc/{started}/comm")
        wait_until(lambda: comm.read_text().strip() == "monty")
        os.kill(started, 19)  # stopped: it cannot see that its input has ended
        process.kill()
    wait_until(lambda: not comm.exists() or "Z" in Path(f"/proc/{started}/stat").read_text().rpartition(")")[2])


def test_without_the_worker_beside_it_nothing_is_started(tmp_path: Path) -> None:
    command = [sys.executable, "-c", START.format(program=str(tmp_path / "ostiary-expression-worker"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FileNotFoundError" in done.stderr
