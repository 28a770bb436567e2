"""Measures a running Ostiary: starts, memory, CPU of hot answers; and signing. Figures are hints, ratios tell more.

The metric is CPU microseconds of the server process for one answer: wall time on a shared machine means little.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ostiary.proto.jose import SigningKey, sign

OSTIARY: Final = Path(sys.executable).with_name("ostiary")
READY: Final = "/-/health/ready/"
PATHS: Final = ("/-/health/live/", READY, "/if/flow/default-authentication-flow/")
REQUESTS: Final = 500
ROUNDS: Final = 3
SIGNATURES: Final = 500
TICKS: Final = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        with started(Path(folder)) as (_, seconds, _):
            print(f"first start               {seconds:8.2f} s")
        best = []
        for _ in range(ROUNDS):
            with started(Path(folder)) as (process, seconds, _):
                best.append((seconds, memory(process)))
        print(
            f"second start              {min(best)[0]:8.2f} s      proportional memory {min(one[1] for one in best)} MB"
        )
        with started(Path(folder)) as (process, _, port):
            for path in PATHS:
                cost = min(answers(process, port, path) for _ in range(ROUNDS))
                print(f"GET {path:<38} {cost:8.0f} µs CPU")
    payload = b"x" * 400
    for name, key in (
        ("RS256", SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=2048), kid="k")),
        ("ES256", SigningKey(ec.generate_private_key(ec.SECP256R1()), kid="k")),
    ):
        begun = time.process_time()
        for _ in range(SIGNATURES):
            sign(payload, key)
        print(f"sign {name:<20} {(time.process_time() - begun) / SIGNATURES * 1e6:8.0f} µs CPU")


@contextmanager
def started(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], float, int]]:
    """Start Ostiary on free ports; give the process, the seconds until it was ready, and the port."""
    ports = [free_port() for _ in range(2)]
    environ = {
        "PATH": os.environ["PATH"],
        "OSTIARY_DATA_DIR": str(folder),
        "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{ports[0]}",
        "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{ports[1]}",
        "OSTIARY_LOG_LEVEL": "warning",
    }
    begun = time.perf_counter()
    process = subprocess.Popen([OSTIARY, "serve"], env=environ)
    while not answered(ports[0], READY):
        time.sleep(0.002)
    try:
        yield process, time.perf_counter() - begun, ports[0]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def answers(process: subprocess.Popen[bytes], port: int, path: str) -> float:
    """Return CPU microseconds of the server for one answer."""
    connection = HTTPConnection("127.0.0.1", port)
    before = cpu(process)
    for _ in range(REQUESTS):
        connection.request("GET", path)
        connection.getresponse().read()
    connection.close()
    return (cpu(process) - before) / REQUESTS * 1e6


def answered(port: int, path: str) -> bool:
    """Tell whether a path is answered 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004 - OK
    except OSError:
        return False
    finally:
        connection.close()


def cpu(process: subprocess.Popen[bytes]) -> float:
    """Return CPU seconds a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(process: subprocess.Popen[bytes]) -> int:
    """Return the proportional set size in MB."""
    text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    return int(text.split("Pss:")[1].split()[0]) // 1024


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
