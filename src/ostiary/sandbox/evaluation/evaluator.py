"""The evaluator of expressions. It imports the sandbox with the first one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from ostiary.spans import span

if TYPE_CHECKING:
    from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
    from ostiary.sandbox.evaluation.result import Evaluation
    from ostiary.sandbox.evaluation.runner import Runner
    from ostiary.sandbox.workers.pool import Pool


class Evaluator:
    """Evaluates expressions. If all of them are native, nothing else of the sandbox is imported."""

    def __init__(self, load: Callable[[], Runner], asked: Mapping[str, int] = MappingProxyType({})) -> None:
        """`load` imports and builds the runner. It is called once, in a thread.

        `asked` counts the network requests of expressions by result.
        """
        self.asked = asked
        self._load = load
        self._loading = asyncio.Lock()
        self._runner: Runner | None = None
        self._closed = False

    def pools(self) -> Iterable[Pool]:
        """Return the pools of workers, none before the first expression."""
        return () if self._runner is None else self._runner.workers.pools

    async def evaluate(self, expression: Expression, expression_context: ExpressionContext) -> Evaluation:
        """Evaluate an expression. Raises ExpressionFailed, ExpressionRefused.

        Its effects are returned, not carried out. No transaction may be open during the evaluation, as it takes time.
        """
        with span(f"expression {expression.name}"):
            return await (self._runner or await self._loaded()).run(expression, expression_context)

    async def close(self) -> None:
        """End the worker processes, and start no more."""
        self._closed = True
        async with self._loading:
            if self._runner is not None:
                await self._runner.workers.close()

    async def _loaded(self) -> Runner:
        async with self._loading:
            if self._runner is None:
                self._runner = await asyncio.to_thread(self._load)
                if self._closed:
                    await self._runner.workers.close()
            return self._runner
