"""What the page of metrics shows of the workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from ostiary.room import Measure, Samples
from ostiary.sandbox.workers.pool import Pool


def measures(pools: Iterable[Pool]) -> Iterable[Measure]:
    """Yield the numbers of all pools; the name of a pool is a label."""
    by_name = {pool.name: pool for pool in pools}
    yield Measure(
        name="ostiary_expression_runs",
        summary="Expressions that were run by a worker, by result: returned, or the reason why there is no value.",
        labels=("pool", "result"),
        kind="counter",
        read=partial(_runs, by_name),
    )
    for name, summary, number in (
        ("ostiary_expression_run_seconds", "Seconds that workers spent on expressions.", _seconds),
        ("ostiary_expression_wait_seconds", "Seconds that expressions waited for a worker.", _waited),
    ):
        yield Measure(
            name=name, summary=summary, labels=("pool",), kind="counter", read=partial(_each, by_name, number)
        )
    for name, summary, number in (
        ("ostiary_expression_workers", "Worker processes of expressions.", _processes),
        ("ostiary_expressions_waiting", "Expressions that wait for a worker.", _waiting),
    ):
        yield Measure(name=name, summary=summary, labels=("pool",), read=partial(_each, by_name, number))


def _runs(pools: Mapping[str, Pool]) -> Samples:
    """Return the runs of each pool by result; a pool without any has a zero, so that the first one is seen."""
    runs: dict[tuple[str, ...], float] = {(name, "returned"): 0 for name in pools}
    for name, pool in pools.items():
        runs.update({(name, result): count for result, count in pool.tally.runs.items()})
    return dict(runs)


def _each(pools: Mapping[str, Pool], number: Callable[[Pool], float]) -> Samples:
    return {(name,): number(pool) for name, pool in pools.items()}


def _seconds(pool: Pool) -> float:
    return pool.tally.seconds


def _waited(pool: Pool) -> float:
    return pool.turns.waited


def _processes(pool: Pool) -> float:
    return pool.tally.processes


def _waiting(pool: Pool) -> float:
    return pool.turns.waiting
