"""Commands that run until they are stopped. They skip the command line library, which costs a fifth of a start."""

from __future__ import annotations

import gc
import os
from typing import Final

PROCESSES: Final = {"serve": (True, True), "server": (True, False), "worker": (False, True)}
"""Commands that run until they are stopped: whether they answer requests, and whether they do background work."""


def start(command: str) -> int:
    """Run a process until it is stopped."""
    gc.disable()  # a start makes much and drops little; the process collects when it has settled
    from ostiary.app.serve import serve  # noqa: PLC0415 - a command loads what it needs
    from ostiary.settings import load  # noqa: PLC0415

    site, worker = PROCESSES[command]
    serve(load(os.environ), site=site, worker=worker)
    return 0
