"""Several blueprints, applied in passes until nothing changes, so that the order of files does not matter.

First each is tried strictly: a look-up that finds nothing postpones its blueprint, because another one may still make
the object. When no more can be applied this way, the first postponed one is applied with null, as authentik does at
once, and the others are tried again. A failed blueprint is tried again after every success; errors that remain are
reported once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ostiary.blueprints.applying.apply import Applied, Order
from ostiary.blueprints.applying.entry import FindBlueprint
from ostiary.blueprints.errors import BlueprintError, EntryRefused, Fault, Postponed, WaitsFor
from ostiary.blueprints.report import FileResult
from ostiary.record import dataclass


class ApplyOnce(Protocol):
    """Applies one blueprint in one transaction."""

    async def __call__(
        self, order: Order, find_blueprint: FindBlueprint, finished: frozenset[str], *, lenient: bool
    ) -> Applied:  # pragma: no cover - a protocol
        """Raises BlueprintError, then nothing was written; Postponed only when not `lenient`."""
        ...


@dataclass(slots=True)
class _Try:
    order: Order
    applied: Applied | None = None
    error: BlueprintError | None = None
    tried_after: int = -1  # how many successes the run had seen when the blueprint was tried last


class Passes:
    """One run over some blueprints. `available` are further ones that may be asked for by metaapplyblueprint."""

    def __init__(
        self,
        orders: Sequence[Order],
        attempt: ApplyOnce,
        *,
        available: Sequence[Order] = (),
        applied_before: Mapping[str, str] | None = None,
    ) -> None:
        """`applied_before` maps names and paths of blueprints that count as applied to their path."""
        self._tries = {order.blueprint.path: _Try(order) for order in orders}
        self._available = {order.blueprint.path: order for order in available}
        self._applied_before = dict(applied_before or {})
        self._attempt = attempt
        self._successes = 0

    async def run(self) -> tuple[FileResult, ...]:
        """Apply, and return one result for each blueprint, in the order of their paths."""
        while True:
            due = [one for one in self._ordered() if self._is_due(one)]
            postponed = [one for one in self._ordered() if isinstance(one.error, Postponed)]
            if due:
                for one in due:
                    if one.applied is None:  # a neighbour may have had it applied first
                        await self._try(one, (), lenient=False)
            elif postponed:
                await self._try(postponed[0], (), lenient=True)
            else:
                break
        return tuple(
            FileResult(one.order.blueprint.path, one.order.blueprint.name, one.applied or Applied(), one.error)
            for one in self._ordered()
        )

    def _ordered(self) -> list[_Try]:
        return [self._tries[path] for path in sorted(self._tries)]

    def _is_due(self, one: _Try) -> bool:
        return one.applied is None and one.tried_after < self._successes

    async def _try(self, one: _Try, waiting: tuple[str, ...], *, lenient: bool) -> None:
        path = one.order.blueprint.path
        while True:
            one.tried_after = self._successes
            one.error = None
            try:
                one.applied = await self._attempt(one.order, self._path_of, self._finished(), lenient=lenient)
            except WaitsFor as wait:
                one.error = await self._apply_first(wait, (*waiting, path))
                if one.error is None:
                    continue
            except BlueprintError as error:
                one.error = error
            else:
                self._successes += 1
            return

    async def _apply_first(self, wait: WaitsFor, waiting: tuple[str, ...]) -> BlueprintError | None:
        """Apply the blueprint another one waits for; return the error when it cannot be applied."""
        fault = wait.faults[0]
        if wait.path in waiting:
            return EntryRefused([Fault(fault.position, f"the blueprint {wait.path} waits for this one", fault.entry)])
        if wait.path not in self._tries:
            self._tries[wait.path] = _Try(self._available[wait.path])
        one = self._tries[wait.path]
        await self._try(one, waiting, lenient=False)
        if one.error is not None:
            return EntryRefused(
                [Fault(fault.position, f"the blueprint {wait.path}, which must come first, failed", fault.entry)]
            )
        return None

    def _finished(self) -> frozenset[str]:
        return frozenset(
            {path for path, one in self._tries.items() if one.applied is not None} | set(self._applied_before.values())
        )

    def _path_of(self, identifiers: Mapping[str, object]) -> str | None:
        orders = [*(one.order for one in self._tries.values()), *self._available.values()]
        for order in orders:
            facts = {"name": order.blueprint.name, "path": order.blueprint.path}
            if all(name in facts and facts[name] == value for name, value in identifiers.items()):
                return order.blueprint.path
        paths = {self._applied_before.get(str(value)) for value in identifiers.values()}
        return paths.pop() if len(paths) == 1 and set(identifiers) <= {"name", "path"} else None
