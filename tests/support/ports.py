"""Ports for servers of the tests, each given to one process of this machine.

A port that the kernel chose and that was closed again may be taken by any connection before the server binds it. These
lie below the kernel's own range, and a locked file says who has one, however many runs there are at once.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

_FIRST, _LAST = 20_000, 32_000
_FOLDER = Path(tempfile.gettempdir()) / f"ostiary-test-ports-{os.getuid()}"
_held: list[int] = []  # descriptors: a lock lasts as long as the process


def free_port() -> int:
    """Return a port of the loopback that nobody listens on and nobody else is given while this process lives."""
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    order = random.SystemRandom()
    for _ in range(1_000):
        port = order.randrange(_FIRST, _LAST)
        if _lock(port) and _unused(port):
            return port
    raise AssertionError(f"no free port between {_FIRST} and {_LAST}")


def _lock(port: int) -> bool:
    descriptor = os.open(_FOLDER / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return False
    _held.append(descriptor)
    return True


def _unused(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
