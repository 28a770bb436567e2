"""The workers of a process: a pool for sign-ins and a pool for trial runs. Nothing is started before the first run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from ostiary.sandbox.workers.budget import Budget
from ostiary.sandbox.workers.host import HostFunction
from ostiary.sandbox.workers.outcome import Aborted, AbortReason, Outcome
from ostiary.sandbox.workers.pool import Pool
from ostiary.sandbox.workers.program import Limits, Program
from ostiary.sandbox.workers.run_request import CURRENT, MAX_NESTED_RUNS, RunRequest

NOTHING: Final[Mapping[str, object]] = {}
NO_FUNCTIONS: Final[Mapping[str, HostFunction]] = {}
NO_MODULES: Final[Mapping[str, Mapping[str, object]]] = {}


class Workers:
    """Runs programs. One object of a process; `close` ends its worker processes."""

    def __init__(self, limits: Limits | None = None, *, slots: int = 2) -> None:
        self._limits = limits or Limits()
        self._sign_ins = Pool("sign-in", slots)
        self._trials = Pool("trial", 1)

    @property
    def pools(self) -> tuple[Pool, Pool]:
        """The pool of sign-ins and the one of trial runs, for the page of metrics."""
        return self._sign_ins, self._trials

    async def run(
        self,
        program: Program,
        *,
        inputs: Mapping[str, object] = NOTHING,
        functions: Mapping[str, HostFunction] = NO_FUNCTIONS,
        modules: Mapping[str, Mapping[str, object]] = NO_MODULES,
        limits: Limits | None = None,
        trial: bool = False,
    ) -> Outcome:
        """Run a program and say how it ended; raises nothing.

        `inputs` are plain data and `HostObject`s, bound to global names. `functions` are called by name, and `modules`
        are what `import` finds: undotted names, and in each module data, host objects and functions. `trial` is a run
        that no sign-in waits for: it has a pool of its own. A run that a host function of another run starts shares
        what is left of that run's budget, and its pool.
        """
        above = CURRENT.get()
        # guard: A56 runs inside each other have a depth
        if above is not None and above.depth >= MAX_NESTED_RUNS:
            return Aborted(AbortReason.CALLS, "too many expressions call each other")
        # guard: A56 trial runs have workers of their own
        pool = self._trials if trial else self._sign_ins
        chosen = limits or self._limits

        def request() -> RunRequest:
            return RunRequest(
                program=program,
                inputs=inputs,
                functions=functions,
                modules=modules,
                limits=above.limits if above is not None else chosen,
                budget=above.budget if above is not None else Budget(chosen),
                loop=asyncio.get_running_loop(),
                inner=above.inner if above is not None else pool.inner,
                depth=above.depth + 1 if above is not None else 1,
            )

        return await (pool.first(request) if above is None else above.inner(request()))

    async def close(self) -> None:
        """End the worker processes."""
        await self._sign_ins.close()
        await self._trials.close()
