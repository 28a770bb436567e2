"""The pool of processes as `pydantic_monty` has it. Imported by the first run: it costs 25 MiB.

Its synchronous client is used, in threads: the asynchronous one can abort the whole process.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_monty import Monty

from ostiary.sandbox.workers.run import Run

if TYPE_CHECKING:
    from ostiary.sandbox.workers.run_counters import RunCounters
    from ostiary.sandbox.workers.run_request import RunRequest

MAX_RUNS_OF_WORKER: Final = 1000
"""Runs after which a worker is replaced: its memory does not shrink."""

FREE: Final = 5.0
"""Seconds until a worker must be free. There are enough, so this passes only when they cannot be started."""

LATE: Final = 0.5
"""Seconds after the limit of computing until a worker that has not stopped by itself is killed."""

PROGRAMS: Final = ("ostiary-expression-worker", "monty")
"""What must lie in one folder: what confines a worker and starts it (`sandbox.confinement`), and the worker itself."""


class ProcessPool:
    """Worker processes, at most `most`; one is started at once, others when they are needed.

    Raises OSError when none can be started.
    """

    def __init__(self, most: int, tally: RunCounters) -> None:
        self._tally = tally
        # guard: A56 workers are started confined
        self._monty = Monty(
            binary_path=launcher(),
            min_processes=1,
            max_processes=most,
            checkout_timeout=FREE,
            max_checkouts_per_worker=MAX_RUNS_OF_WORKER,
            feed_duration_limit_grace=LATE,
        )
        _answer_for_telemetry()
        with _one_thread_of_the_client():
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


def _answer_for_telemetry() -> None:
    """Say once that OpenTelemetry is not installed: the client asks at every run, and searched all folders each time.

    That was a third of what a run costs. Other packages share the first half of its name.
    """
    if _TELEMETRY not in sys.modules and not _is_installed(_TELEMETRY):
        modules: dict[str, object] = sys.modules  # type: ignore[assignment]
        modules[_TELEMETRY] = None  # how `import` is told that there is no such module


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # nor the package around it
        return False


_TELEMETRY: Final = "opentelemetry.context"


@contextmanager
def _one_thread_of_the_client() -> Iterator[None]:
    """Let the client start one thread, not one for each core: handing work among them costs more than the work."""
    before = os.environ.get(_THREADS)
    os.environ[_THREADS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_THREADS]
        else:
            os.environ[_THREADS] = before


_THREADS: Final = "TOKIO_WORKER_THREADS"
