"""The `ostiary` command of the benchmark under a sampling profiler: `BENCH_PROFILE=file python sampled.py serve`.

A timer of CPU time interrupts it 1,000 times a second and notes where the main thread is; C code counts for the line
that called it. That distorts less than counting calls does.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

import cheap_hash  # noqa: F401 - makes the password hash cheap

from ostiary.cli import main

STEP: Final = 0.001  # seconds of CPU time
_DEPTH: Final = 60

_own: Counter[str] = Counter()
_lines: Counter[str] = Counter()
_below: Counter[str] = Counter()


def sample(_number: int, frame: FrameType | None) -> None:
    """Note one moment."""
    if frame is None:
        return
    _own[_name(frame)] += 1
    _lines[f"{_name(frame)}:{frame.f_lineno}"] += 1
    seen = set()
    for _ in range(_DEPTH):
        seen.add(_name(frame))
        if frame.f_back is None:
            break
        frame = frame.f_back
    _below.update(seen)


def _name(frame: FrameType) -> str:
    code = frame.f_code
    parts = Path(code.co_filename).parts
    return f"{'/'.join(parts[-3:])} {code.co_qualname}"


def write() -> None:
    """Write the counts."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    total = sum(_own.values()) or 1
    parts = []
    for title, counts in (("own", _own), ("lines", _lines), ("with what they call", _below)):
        rows = [f"{100 * count / total:6.1f} %  {name}" for name, count in counts.most_common(70)]
        parts.append("\n".join((f"== {title}", *rows)))
    Path(os.environ["BENCH_PROFILE"]).write_text("\n".join(parts) + "\n", encoding="utf-8")


def reset(_number: int, _frame: FrameType | None) -> None:
    """Forget what was noted, when told by SIGUSR1: the measured part begins."""
    for counts in (_own, _lines, _below):
        counts.clear()


if __name__ == "__main__":
    atexit.register(write)
    signal.signal(signal.SIGUSR1, reset)
    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, STEP, STEP)
    main()
