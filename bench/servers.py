"""Processes on their cores: started, pinned, their CPU time and memory read from /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Final

CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]
_START_WITHIN: Final = 60.0  # seconds


@dataclass(slots=True)
class Started:
    """A server process, the port it answers on, and the seconds until it did."""

    process: subprocess.Popen[bytes]
    port: int
    seconds: float
    cpu: float  # seconds until the first answer
    extra: list[int] = field(default_factory=list)

    def cpu_now(self) -> float:
        """Return CPU seconds of the process and all below it, since they began."""
        return sum(cpu_of(pid) for pid in tree(self.process.pid))

    def memory(self) -> tuple[float, float]:
        """Return the proportional and the resident set of the tree, in MB."""
        pss = rss = 0.0
        for pid in tree(self.process.pid):
            with suppress(OSError):
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                values = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
                pss += int(values["Pss"]) / 1024
                rss += int(values["Rss"]) / 1024
        return pss, rss

    def stop(self) -> None:
        """End the process and what it started: Node comes behind a launcher that does not pass signals on."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def start(
    command: Sequence[str | Path],
    *,
    port: int,
    path: str,
    environ: Mapping[str, str],
    log: Path,
    core: int = SERVER_CORE,
) -> Started:
    """Start a server on its core and wait until `path` is answered 200."""
    with log.open("ab") as target:
        begun = time.perf_counter()
        process = pinned(command, core=core, environ=environ, output=target)
    while not _answers(port, path):
        if process.poll() is not None or time.perf_counter() - begun > _START_WITHIN:
            process.kill()
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.005)
    seconds = time.perf_counter() - begun
    started = Started(process, port, seconds, 0.0)
    started.cpu = started.cpu_now()
    return started


def pinned(
    command: Sequence[str | Path], *, core: int, environ: Mapping[str, str], output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Start a process on one core; what it starts stays there."""
    return subprocess.Popen(
        ["taskset", "-c", str(core), *map(str, command)],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def cpu_of(pid: int) -> float:
    """Return CPU seconds of a process with all its threads, dead ones too, in nanosecond steps; 0 when it is gone.

    The number of a process's CPU clock is made as in the C library (clock_getcpuclockid).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def tree(root: int) -> list[int]:
    """Return a process and all below it."""
    below: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                below.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting.extend(below.get(pid, ()))
    return found


def pin(pids: Iterable[int], core: int) -> None:
    """Move running processes to a core."""
    for pid in pids:
        with suppress(OSError):
            os.sched_setaffinity(pid, {core})


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004 - OK
    except OSError:
        return False
    finally:
        connection.close()
