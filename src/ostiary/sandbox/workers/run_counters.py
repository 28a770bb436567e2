"""Counters of runs, for the metrics page."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome

_QUIET: Final = 60.0  # seconds until the same trouble is logged again

log: Final = logging.getLogger("ostiary.sandbox")


class RunCounters:
    """Counts the runs of one pool, and logs problems that no expression has caused."""

    def __init__(self, pool: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._logged: dict[AbortReason, float] = {}
        self._processes: set[int] = set()
        self.runs: Counter[str] = Counter()
        """Runs, by "returned" or the reason why there was no value."""
        self.seconds = 0.0
        """The time of all runs, without the wait for a worker."""

    def ended(self, outcome: Outcome) -> Outcome:
        """Count a run and return its outcome."""
        self.seconds += outcome.seconds
        if isinstance(outcome, Aborted):
            self.runs[outcome.reason.value] += 1
            if outcome.reason in _TROUBLE:
                self._log(outcome)
        else:
            self.runs["returned"] += 1
        return outcome

    def used(self, process: int | None) -> None:
        """Remember the process of a worker. Called in any thread."""
        if process is not None and process not in self._processes:
            self._processes = {one for one in self._processes if _is_ours(one)} | {process}

    @property
    def processes(self) -> int:
        """How many of the workers that ever ran something are alive."""
        return sum(_is_ours(one) for one in self._processes)

    def _log(self, outcome: Aborted) -> None:
        now = self._clock()
        if now - self._logged.get(outcome.reason, -_QUIET) >= _QUIET:
            self._logged[outcome.reason] = now
            log.warning("an expression (%s) did not run to its end: %s", self._pool, outcome.message)


_TROUBLE: Final = frozenset({AbortReason.CRASHED, AbortReason.BUSY, AbortReason.UNAVAILABLE})


def _is_ours(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    state, parent = status.rpartition(")")[2].split()[:2]
    return state != "Z" and int(parent) == os.getpid()
