"""Starting programs, waiting for them, ending them; folders and ports for them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
"""The user of our images."""


def as_nobody() -> list[str]:
    """Words before a command that take root's rights away; nothing for an ordinary user."""
    if os.getuid():
        return []
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]


def owned(folder: Path) -> Path:
    """Make a folder that belongs to the user of our images."""
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        shutil.chown(folder, NOBODY, NOBODY)
    return folder


@contextmanager
def running(*processes: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let processes run; they must do so to the end, and end at SIGTERM with no complaint."""
    try:
        yield
        assert [process.poll() for process in processes] == [None] * len(processes)
    finally:
        for process in processes:
            os.kill(told(process.pid), signal.SIGTERM)
        codes = [ended(process) for process in processes]
    assert codes == [0] * len(processes)


def told(pid: int) -> int:
    """Return the process that a signal for `pid` must reach: bubblewrap passes none on, runc and podman do."""
    while Path(f"/proc/{pid}/comm").read_text().strip() == "bwrap":
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if not children:
            break
        pid = int(children[0])
    return pid


def ended(process: subprocess.Popen[bytes], *, seconds: float = 40) -> int:
    """Return the code a process ended with; one that does not end is killed."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
