"""The pool of processes as `pydantic_monty` has it. Imported by the first run: it costs 25 MiB.

Its synchronous client is used, in threads: the asynchronous one can abort the whole process.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_monty import Monty

from ostiary.sandbox.workers.run import Run

if TYPE_CHECKING:
    from ostiary.sandbox.workers.run_request import RunRequest
    from ostiary.sandbox.workers.tally import Tally

CHECKOUTS: Final = 1000
"""Runs after which a worker is replaced: its memory does not shrink."""

FREE: Final = 5.0
"""Seconds until a worker must be free. There are enough, so this passes only when they cannot be started."""

LATE: Final = 1.0
"""Seconds after the limit of computing until a worker that has not stopped by itself is killed."""

PROGRAMS: Final = ("ostiary-expression-worker", "monty")
"""What must lie in one folder: what confines a worker and starts it (`sandbox.confinement`), and the worker itself."""


class ProcessPool:
    """Worker processes, at most `most`; one is started at once, others when they are needed.

    Raises OSError when none can be started.
    """

    def __init__(self, most: int, tally: Tally) -> None:
        self._tally = tally
        self._monty = Monty(
            binary_path=launcher(),
            min_processes=1,
            max_processes=most,
            checkout_timeout=FREE,
            max_checkouts_per_worker=CHECKOUTS,
            feed_duration_limit_grace=LATE,
        )
        self._monty.__enter__()

    def run(self, request: RunRequest) -> Run:
        """Return a run, which is still to be executed."""
        return Run(request, self._monty, self._tally.used)

    def close(self) -> None:
        """End the processes. Blocks."""
        self._monty.__exit__(None, None, None)


def launcher() -> Path:
    """Return the program that starts a confined worker. Raises FileNotFoundError."""
    folders = [Path(sysconfig.get_path("scripts")), Path(sys.argv[0]).parent, Path(sys.executable).parent]
    for folder in folders:
        if all((folder / name).is_file() for name in PROGRAMS):
            return folder / PROGRAMS[0]
    raise FileNotFoundError(f"no {' and '.join(PROGRAMS)} in {' or '.join(str(one) for one in folders)}")
