"""What an administrator's expression costs: CPU of this process and of the worker together, and the wait for it.

    python bench/expressions.py [--runs N] [--beside]

Prints JSON: CPU microseconds for one run, the best of some slices, by what is run. With --beside it prints the latency
of small expressions, and of the event loop, alone and beside a flood of hostile ones among trial runs and sign-ins.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import uvloop
from servers import SERVER_CORE, cpu_of, tree

from ostiary.sandbox.workers import HostFunction, HostObject, Limits, Program, Returned, Workers, processes

SLICES: Final = 10
_USER: Final = {
    "pk": 7, "username": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "uid": "9f" * 32,
    "is_active": True, "attributes": {"phone": "1", "quota": {"disk": 10}},
}  # fmt: skip
SMALL: Final = Program("return request.user.username.startswith('a') and request.context.get('flow_plan') is None")
CALL: Final = Program("return ak_is_group_member(request.user, name='staff')")
RELATIONS: Final = Program(
    "return {'name': request.user.name, 'groups': [group.name for group in request.user.groups],"
    " 'admin': ak_is_group_member(request.user, name='admins')}"
)
HOSTILE: Final = (
    "while True: pass",
    "x = []\nwhile True: x.append([])",
    "9**9**9",
    "x = ['x'] * 10\nfor i in range(12): x = [x] * 10\nx",
    "while True: print('x' * 1000)",
    "import math\nmath.isqrt(10**10**6)",
)


def inputs() -> Mapping[str, object]:
    """Return what a policy sees, made anew for each run as a server does."""
    groups = HostObject("User", _USER, {"groups": lambda: [HostObject("Group", {"name": "staff"}) for _ in range(3)]})
    return {"request": HostObject("PolicyRequest", {"user": groups, "context": {"ip": "127.0.0.1"}, "debug": False})}


async def member(user: HostObject, name: str) -> bool:
    """Answer as if a database had been asked."""
    return name == "staff" and user is not None


FUNCTIONS: Final[Mapping[str, HostFunction]] = {"ak_is_group_member": member}


async def costs(runs: int) -> dict[str, float]:
    """Return CPU microseconds of one run."""
    processes.MAX_RUNS_OF_WORKER = 10**9  # type: ignore[misc]  # the time of a worker that is replaced would be lost
    workers = Workers()
    found: dict[str, float] = {}
    for name, program in (("small", SMALL), ("call", CALL), ("relations", RELATIONS)):
        slices = []
        for number in range(SLICES + 1):
            ours = tree(os.getpid()) if number else ()
            before = sum(map(cpu_of, ours))
            for _ in range(runs):
                outcome = await workers.run(program, inputs=inputs(), functions=FUNCTIONS)
                assert isinstance(outcome, Returned), outcome
            slices.append((sum(map(cpu_of, ours)) - before) / runs * 1e6)
        found[name] = round(min(slices[1:]))
        found[f"{name}, middle slice"] = round(statistics.median(slices[1:]))
    await workers.close()
    return found


async def beside(seconds: float) -> dict[str, Mapping[str, float]]:
    """Return latencies in milliseconds, alone and beside a flood."""
    workers = Workers(Limits(seconds=0.5), slots=2)
    found: dict[str, Mapping[str, float]] = {"alone": await _latencies(workers, seconds)}
    stop = asyncio.Event()
    trials = [asyncio.create_task(_flood(workers, stop, trial=True)) for _ in range(4)]
    found["beside a flood of trial runs"] = await _latencies(workers, seconds)
    attacker = asyncio.create_task(_flood(workers, stop, trial=False))
    found["beside that, and one of two workers of sign-ins under attack"] = await _latencies(workers, seconds)
    stop.set()
    await asyncio.gather(*trials, attacker)
    await workers.close()
    return found


async def _flood(workers: Workers, stop: asyncio.Event, *, trial: bool) -> None:
    while not stop.is_set():
        for source in HOSTILE:
            await workers.run(Program(source), trial=trial)


async def _latencies(workers: Workers, seconds: float) -> Mapping[str, float]:
    runs, lags = [], []
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        begun = time.perf_counter()
        await asyncio.sleep(0)
        lags.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        outcome = await workers.run(CALL, inputs=inputs(), functions=FUNCTIONS)
        assert isinstance(outcome, Returned), outcome
        runs.append(time.perf_counter() - begun)
    return {**_percentiles("expression", runs), **_percentiles("event loop", lags), "runs": len(runs)}


def _percentiles(name: str, values: Iterable[float]) -> Mapping[str, float]:
    ordered = sorted(values)
    return {
        f"{name}, {word}": round(ordered[int((len(ordered) - 1) * share)] * 1e3, 2)
        for word, share in (("middle", 0.5), ("95 %", 0.95), ("worst", 1.0))
    }


def measured(runs: int = 300) -> Mapping[str, float]:
    """Measure in a process of its own, on the core of the servers."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, str(Path(__file__)), "--runs", str(runs)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: Mapping[str, float] = json.loads(said)
    return found


def main() -> None:
    """Print what was found."""
    parser = argparse.ArgumentParser(prog="bench/expressions.py")
    parser.add_argument("--runs", type=int, default=300, help="of each slice")
    parser.add_argument("--beside", action="store_true", help="latencies beside a flood, in place of costs")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each latency")
    options = parser.parse_args()
    if options.beside:
        print(json.dumps(uvloop.run(beside(options.seconds)), indent=2))
    else:
        print(json.dumps(uvloop.run(costs(options.runs)), indent=2))


if __name__ == "__main__":
    main()
