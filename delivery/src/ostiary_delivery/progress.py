"""Progress of long steps on standard error: a bar on a terminal, otherwise one line at the end of each step."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Advance = Callable[[int], None]


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(self, title: str, total: int, *, unit: str = "") -> Iterator[Advance]:
        """Count nothing."""
        del title, total, unit
        yield lambda _: None


class Lines:
    """One line for each finished step, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def step(self, title: str, total: int, *, unit: str = "") -> Iterator[Advance]:
        """Write amount and duration when the step ends."""
        begun = time.monotonic()
        done = 0

        def advance(amount: int) -> None:
            nonlocal done
            done += amount

        yield advance
        amount = f" {done or total} {unit}".rstrip()
        self._stream.write(f"{title}:{amount}, {time.monotonic() - begun:.1f} s\n")
        self._stream.flush()


class Bars:
    """A bar for each running step, drawn by rich."""

    @contextmanager
    def step(self, title: str, total: int, *, unit: str = "") -> Iterator[Advance]:
        """Draw a bar until the step ends."""
        from rich.console import Console  # noqa: PLC0415 - only where a bar is drawn
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
        from rich.progress import Progress as Drawing  # noqa: PLC0415

        columns = (
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} " + unit),
            TimeElapsedColumn(),
        )
        with Drawing(*columns, console=Console(stderr=True)) as drawing:
            task = drawing.add_task(title, total=total)
            yield lambda amount: drawing.advance(task, amount)


Progress = Silent | Lines | Bars


def choose(*, quiet: bool) -> Progress:
    """Return the display that suits standard error."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines(sys.stderr)
