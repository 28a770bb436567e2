"""The request of a run, and the run that it is nested in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Final

from ostiary.record import dataclass
from ostiary.sandbox.workers.budget import Budget
from ostiary.sandbox.workers.host import HostFunction
from ostiary.sandbox.workers.outcome import Outcome
from ostiary.sandbox.workers.program import Limits, Program

MAX_NESTED_RUNS: Final = 4
"""The maximum number of nested runs, including the first. Each uses a worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A program, its inputs, host functions and limits.

    `loop` awaits what it calls. `depth` is how many runs it is inside of, itself counted, and `inner` does a run inside
    this one. A run in another one has its `budget`.
    """

    program: Program
    inputs: Mapping[str, object]
    functions: Mapping[str, HostFunction]
    modules: Mapping[str, Mapping[str, object]]
    limits: Limits
    budget: Budget
    loop: asyncio.AbstractEventLoop
    inner: Callable[[RunRequest], Awaitable[Outcome]]
    depth: int = 1


CURRENT: Final[ContextVar[RunRequest | None]] = ContextVar("ostiary_sandbox_current", default=None)
"""The run that calls the host function in which this is read."""
