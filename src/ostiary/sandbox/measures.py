"""What the page of metrics shows of the workers, also before there are any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from ostiary.room import Measure, Samples, by_one_label

if TYPE_CHECKING:
    from ostiary.sandbox.workers.pool import Pool

POOLS: Final = ("sign-in", "trial")
"""The names of the pools."""

ASKED: Final = ("answered", "failed", "refused")
"""The results of requests to other machines."""

_Pools = Callable[[], Iterable["Pool"]]


def measures(pools: _Pools, asked: Mapping[str, int]) -> Iterable[Measure]:
    """Yield the numbers of all pools; the name of a pool is a label. `asked` are requests to other machines."""
    yield Measure(
        name="ostiary_expression_requests",
        summary="Requests and look-ups of expressions by result: answered, failed, refused (the host is not listed).",
        labels=("result",),
        kind="counter",
        read=lambda: by_one_label(asked),
    )
    yield Measure(
        name="ostiary_expression_runs",
        summary="Expressions that were run by a worker, by result: returned, or the reason why there is no value.",
        labels=("pool", "result"),
        kind="counter",
        read=partial(_runs, pools),
    )
    for name, summary, number in (
        ("ostiary_expression_run_seconds", "Seconds that workers spent on expressions.", _seconds),
        ("ostiary_expression_wait_seconds", "Seconds that expressions waited for a worker.", _waited),
    ):
        yield Measure(name=name, summary=summary, labels=("pool",), kind="counter", read=partial(_each, pools, number))
    for name, summary, number in (
        ("ostiary_expression_workers", "Worker processes of expressions.", _processes),
        ("ostiary_expressions_waiting", "Expressions that wait for a worker.", _waiting),
    ):
        yield Measure(name=name, summary=summary, labels=("pool",), read=partial(_each, pools, number))


def _runs(pools: _Pools) -> Samples:
    """Return the runs of each pool by result; a pool without any has a zero, so that the first one is seen."""
    runs: dict[tuple[str, ...], float] = {(name, "returned"): 0 for name in POOLS}
    for pool in pools():
        runs.update({(pool.name, result): count for result, count in pool.tally.runs.items()})
    return runs


def _each(pools: _Pools, number: Callable[[Pool], float]) -> Samples:
    return {**{(name,): 0.0 for name in POOLS}, **{(pool.name,): number(pool) for pool in pools()}}


def _seconds(pool: Pool) -> float:
    return pool.tally.seconds


def _waited(pool: Pool) -> float:
    return pool.queue.waited


def _processes(pool: Pool) -> float:
    return pool.tally.processes


def _waiting(pool: Pool) -> float:
    return pool.queue.waiting
