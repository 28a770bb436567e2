"""The pool of processes as `pydantic_monty` has it. Imported by the first run: it costs 25 MiB.

Its synchronous client is used, in threads: the asynchronous one can abort the whole process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic_monty import Monty

from ostiary.sandbox.workers.run import Run

if TYPE_CHECKING:
    from ostiary.sandbox.workers.run_request import RunRequest

CHECKOUTS: Final = 1000
"""Runs after which a worker is replaced: its memory does not shrink."""

FREE: Final = 5.0
"""Seconds until a worker must be free. There are enough, so this passes only when they cannot be started."""


class ProcessPool:
    """Worker processes, at most `most`; one is started at once."""

    def __init__(self, most: int) -> None:
        self._monty = Monty(
            min_processes=1, max_processes=most, checkout_timeout=FREE, max_checkouts_per_worker=CHECKOUTS
        )
        self._monty.__enter__()

    def run(self, request: RunRequest) -> Run:
        """Return a run, which is still to be executed."""
        return Run(request, self._monty)

    def close(self) -> None:
        """End the processes. Blocks."""
        self._monty.__exit__(None, None, None)
