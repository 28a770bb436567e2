"""What an administrator's expression costs: CPU of this process and of the worker together, and the wait for it.

    python bench/expressions.py [--runs N] [--beside]

Prints JSON: CPU microseconds of a whole decision with one expression policy, and of the claims of one scope mapping, by
what is run: the middle slice of some, and as "small" the median of all. With --beside it prints latencies of decisions,
and of the event loop, alone and beside a flood of hostile expressions, among trial runs and among sign-ins.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import uvloop
from servers import SERVER_CORE, cpu_of, tree

from ostiary.app.rooms import ROOMS, kinds_of
from ostiary.directory.user import GroupRef, Subject, User
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.policies.services import PolicyServices
from ostiary.resource import Registry
from ostiary.sandbox.evaluation.evaluator import Evaluator
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.workers import Limits, Workers, processes
from ostiary.store.configuration.snapshot import Snapshot

SLICES: Final = 11
POLICIES: Final[Mapping[str, str]] = {
    "policy: the domain of an address": "return request.user.email.endswith('@example.org')",
    "policy: a group and an attribute": (
        "return ak_is_group_member(request.user, name='staff') and request.user.attributes.get('vpn', False)"
    ),
    "policy: a fact of the flow": "return request.context.get('is_sso', False) or request.user.is_superuser",
    "policy: the plan": "return request.user.username.startswith('a') and request.context.get('flow_plan') is None",
    "policy: a message": (
        "if request.user.username == 'bob':\n    ak_message('Not you.')\n    return False\nreturn True"
    ),
    "policy: groups": "return any(group.name.startswith('st') for group in request.user.ak_groups.all())",
    "policy: a network": "return ak_client_ip in ip_network('10.0.0.0/8')",
}
MAPPINGS: Final[Mapping[str, str]] = {
    "mapping: a field": "return {'nickname': request.user.username, 'locale': user.attributes.get('locale', 'en')}",
    "mapping: groups": "return {'groups': [group.name for group in user.ak_groups.all()]}",
    "mapping: attributes of groups": "return {'floor': user.group_attributes(request).get('floor')}",
    "mapping: a role": (
        "if ak_is_group_member(user, name='admins'):\n    return {'role': 'admin'}\nreturn {'role': 'user'}"
    ),
}
STOCK: Final = 'return ak_is_group_member(request.user, name="staff")'
HOSTILE: Final = (
    "while True: pass",
    "x = []\nwhile True: x.append([])",
    "9**9**9",
    "x = ['x'] * 10\nfor i in range(12): x = [x] * 10\nreturn x",
    "while True: print('x' * 1000)",
    "import re\nreturn re.match('(a|a)*(a|a)*(a|a)*b', 'a' * 5000)",
    "import math\nreturn math.isqrt(10**10**6)",
)
_TARGET: Final = str(uuid.UUID(int=1))
_REGISTRY: Final = Registry(kinds_of(ROOMS))
_STAFF: Final = (GroupRef("g1", "staff", {"floor": 2}), GroupRef("g2", "family", {}), GroupRef("g3", "media", {}))
_ADA: Final = Subject(
    user=User(
        pk=7, uuid="u", username="ada", name="Ada Lovelace", email="ada@example.org", is_active=True, type="internal",
        path="users", attributes={"vpn": True}, password="", last_login=None, date_joined=0, password_change_date=0,
        last_updated=0,
    ),
    uid="f" * 64, groups=_STAFF, every_group=_STAFF, all_groups=frozenset({"g1", "g2", "g3"}),
    all_group_names=frozenset({"staff", "family", "media"}), is_superuser=False, attributes={"floor": 2},
)  # fmt: skip

Once = Callable[[], Awaitable[object]]


def evaluator(workers: Workers) -> Evaluator:
    """Return an evaluator whose functions ask nobody: small expressions do not."""
    nobody = cast("Any", None)
    runner = Runner(workers, Functions(nobody, nobody, nobody))
    return Evaluator(lambda: runner)


def decision(source: str, found: Evaluator, *, trial: bool = False) -> Once:
    """Return what makes a decision with one binding, of an expression policy."""
    policy = ExpressionPolicy(pk=str(uuid.uuid4()), name="one", expression=source)
    binding = PolicyBinding(pk=str(uuid.uuid4()), target=_TARGET, policy=str(policy.pk), order=0)
    snapshot = Snapshot.of(_REGISTRY, [policy, binding])
    services = PolicyServices({Evaluator: found}.__getitem__)

    async def once() -> object:
        context = PolicyContext(now=1, services=services, client_ip="10.1.2.3", facts={"is_sso": False}, trial=trial)
        return await decide(subject=_ADA, target_pk=_TARGET, mode="any", snapshot=snapshot, context=context)

    return once


def claims(source: str, found: Evaluator) -> Once:
    """Return what makes the claims of one scope mapping."""
    mappings = ClaimSet([ScopeMapping(pk="m", name="one", scope_name="x", expression=source)])
    provider = {"pk": 3, "name": "wiki", "client_id": "wiki", "_application": None}

    async def once() -> object:
        made = await mappings.claims(_ADA, ("x",), MappingContext(now=1, evaluator=found, provider=provider))
        assert not made.failed, made.failed
        return made

    return once


async def costs(runs: int) -> dict[str, float]:
    """Return CPU microseconds of one run of each."""
    processes.MAX_RUNS_OF_WORKER = 10**9  # type: ignore[misc]  # the time of a worker that is replaced would be lost
    made = evaluator(Workers())
    found = {name: await _cost(decision(source, made), runs) for name, source in POLICIES.items()}
    found |= {name: await _cost(claims(source, made), runs) for name, source in MAPPINGS.items()}
    small = statistics.median(found.values())
    stock = await _cost(decision(STOCK, made), runs)
    await made.close()
    return {**found, "policy: a stock one, in no worker": stock, "small": round(small)}


async def _cost(once: Once, runs: int) -> float:
    """Return the CPU microseconds of one, in the middle slice."""
    slices = []
    for number in range(SLICES + 1):
        ours = tree(os.getpid()) if number else ()
        before = sum(map(cpu_of, ours))
        for _ in range(runs):
            await once()
        slices.append((sum(map(cpu_of, ours)) - before) / runs * 1e6)
    return round(statistics.median(slices[1:]))


async def beside(seconds: float) -> dict[str, Mapping[str, float]]:
    """Return latencies in milliseconds, alone and beside a flood."""
    made = evaluator(Workers(Limits(seconds=0.5), slots=2))
    sign_in = decision(POLICIES["policy: a group and an attribute"], made)
    found: dict[str, Mapping[str, float]] = {"alone": await _latencies(sign_in, seconds)}
    stop = asyncio.Event()
    trials = [asyncio.create_task(_flood(made, stop, trial=True)) for _ in range(16)]
    found["beside a flood of trial runs"] = await _latencies(sign_in, seconds)
    attacker = asyncio.create_task(_flood(made, stop, trial=False))
    found["beside that, and one of two workers of sign-ins under attack"] = await _latencies(sign_in, seconds)
    stop.set()
    await asyncio.gather(*trials, attacker)
    await made.close()
    return found


async def _flood(made: Evaluator, stop: asyncio.Event, *, trial: bool) -> None:
    hostile = [decision(source, made, trial=trial) for source in HOSTILE]
    while not stop.is_set():
        for once in hostile:
            await once()


async def _latencies(once: Once, seconds: float) -> Mapping[str, float]:
    runs, lags = [], []
    await once()
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        begun = time.perf_counter()
        await asyncio.sleep(0)
        lags.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        await once()
        runs.append(time.perf_counter() - begun)
        await asyncio.sleep(0.002)
    return {**_percentiles("decision", runs), **_percentiles("event loop", lags), "decisions": len(runs)}


def _percentiles(name: str, values: Iterable[float]) -> Mapping[str, float]:
    ordered = sorted(values)
    return {
        f"{name}, {word}": round(ordered[int((len(ordered) - 1) * share)] * 1e3, 2)
        for word, share in (("median", 0.5), ("99 %", 0.99), ("worst", 1.0))
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
    logging.disable()  # of what hostile expressions end with
    if options.beside:
        print(json.dumps(uvloop.run(beside(options.seconds)), indent=2))
    else:
        print(json.dumps(uvloop.run(costs(options.runs)), indent=2))


if __name__ == "__main__":
    main()
