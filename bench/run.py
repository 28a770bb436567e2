"""`make bench`: Ostiary on SQLite and PostgreSQL beside its peers, in one run.

    python bench/run.py [--quick] [--only rs256,opaque...] [--no-growth] [--rounds N] [--seconds S] [--write FILE]

The document is written only by a whole run. With --quick everything is done once and shortly, for development.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import expressions  # noqa: E402 - the folder of the test server is on the path only now
import growth  # noqa: E402
import ostiary_target  # noqa: E402
import peers  # noqa: E402
import report  # noqa: E402
from operations import TITLES, Load, measure  # noqa: E402
from results import NODE, POSTGRESQL, SQLITE, Results, Start, goals  # noqa: E402
from servers import LOAD_CORE, Started, pin, tree  # noqa: E402
from support.postgres import make_server  # noqa: E402

if TYPE_CHECKING:
    from support.postgres import PostgresServer
    from target import Target

DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"
REST: Final = 2.0  # seconds before memory at rest is read
SAMPLED: Final = Path(__file__).with_name("sampled.py")
_SHOWN: Final = 14  # lines of a profile


@dataclass(frozen=True, slots=True)
class Storage:
    """A PostgreSQL server and the database of this run."""

    server: PostgresServer
    name: str


def main() -> int:
    """Measure, print, write."""
    options = _options()
    begun = time.perf_counter()
    results = Results(facts=report.facts(), rounds=options.rounds)
    if len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - one for the servers, one for the load
        print("bench: two cores are needed: one for the servers, one for the load", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        postgres = stack.enter_context(_postgres())
        load = stack.enter_context(Load())
        _install(folder, postgres)
        _starts(results, folder, times=1 if options.quick else 5)
        _hash(results)
        results.expressions = expressions.measured(runs=100 if options.quick else 300)
        targets = [stack.enter_context(_served(one)) for one in _targets(folder, postgres)]
        for target in targets:
            if target.paths.authorize:
                target.sign_in()
            else:
                target.take_tokens()
        _rounds(results, targets, load, options)
        for target in targets:
            results.after[target.name] = target.started.memory()
            target.started.stop()
        if options.growth:
            sizes = growth.QUICK if options.quick else growth.SIZES
            rounds = 1 if options.quick else 3
            results.growth = growth.measure_growth(
                folder, load, sizes=sizes, seconds=options.seconds / 2, rounds=rounds
            )
        if options.profile:
            _profiles(results, folder, load, seconds=2.0)
    document = report.text(results)
    print(document)
    if options.write is not None:
        options.write.write_text(document, encoding="utf-8")
    print(f"{time.perf_counter() - begun:.0f} seconds", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py")
    parser.add_argument("--quick", action="store_true", help="once, shortly, nothing written")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(TITLES), help="operations")
    parser.add_argument("--no-growth", dest="growth", action="store_false", help="without the table of growth")
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    parser.add_argument("--seconds", type=float, help="of one slice")
    parser.add_argument("--write", type=Path, help="the document; a whole run writes docs/benchmarks.md")
    parser.add_argument("--profile", action="store_true", help="profile what is not reached; a whole run does")
    options = parser.parse_args()
    options.profile = options.profile or not options.quick
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.5 if options.quick else 1.0)
    if options.write is None and not options.quick and options.growth and options.only == list(TITLES):
        options.write = DOCUMENT
    return options


@contextmanager
def _folder() -> Iterator[Path]:
    # Not /tmp, which may be memory: durable writes are to reach a disk.
    folder = Path(tempfile.mkdtemp(prefix="ostiary-bench-", dir="/var/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _postgres() -> Iterator[Storage]:
    server = make_server(fsync=True)
    try:
        yield Storage(server, server.create_database().name)
    finally:
        server.remove()


def _install(folder: Path, postgres: Storage) -> None:
    for kind, server in (("sqlite", None), ("postgresql", postgres.server)):
        here = folder / kind
        ostiary_target.install(here, ostiary_target.environment(here, server, postgres.name))


def _starts(results: Results, folder: Path, *, times: int) -> None:
    """Start each server some times, in turn, and read its memory at rest."""
    environ = ostiary_target.environment(folder / "sqlite", None)
    for _ in range(times):
        for name, started in (
            (SQLITE, partial(ostiary_target.serve, folder / "sqlite", environ, program=ostiary_target.OSTIARY)),
            (NODE, partial(peers.serve_node, folder)),
        ):
            server = started()
            time.sleep(REST)
            pss, rss = server.memory()
            results.starts.setdefault(name, []).append(Start(server.seconds, server.cpu, pss, rss))
            server.stop()


def _hash(results: Results) -> None:
    from ostiary.directory.passwords import formats  # noqa: PLC0415 - only here

    costs = []
    for _ in range(5):
        begun = time.process_time()
        formats.make("a password", b"0" * 16)
        costs.append(time.process_time() - begun)
    results.hash_cost = min(costs) * 1e6


def _targets(folder: Path, postgres: Storage) -> Iterator[Target]:
    """Start the servers that are measured, one after the other."""
    process = postgres.server.process
    assert process is not None
    pin(tree(process.pid), LOAD_CORE)
    for kind, title, server in (("sqlite", SQLITE, None), ("postgresql", POSTGRESQL, postgres.server)):
        here = folder / kind
        started = ostiary_target.serve(here, ostiary_target.environment(here, server, postgres.name))
        yield ostiary_target.target(title, started, database=process.pid if server else None)
    yield peers.node_target(peers.serve_node(folder))
    yield peers.django_target(peers.serve_django(folder))


@contextmanager
def _served(target: Target) -> Iterator[Target]:
    try:
        yield target
    finally:
        target.started.stop()


def _rounds(results: Results, targets: list[Target], load: Load, options: argparse.Namespace) -> None:
    for number in range(options.rounds + 1):
        for name, algorithm in (("rsa2048", "rsa2048"), ("ecdsap256", "ecdsap256")):
            if number:
                results.openssl.setdefault(name, []).append(peers.openssl_rate(algorithm, 1))
        for operation in options.only:
            for target in targets:
                if operation in target.operations:
                    # The first round is short and thrown away: it makes everything warm, Node's compiler most of all.
                    seconds = options.seconds if number else options.seconds / 2
                    sample = measure(operation, target, load, seconds=seconds)
                    if number:
                        results.samples.setdefault((operation, target.name), []).append(sample)
        print(f"round {number} of {options.rounds}", file=sys.stderr)


def _profiles(results: Results, folder: Path, load: Load, *, seconds: float) -> None:
    """Profile what has not reached its goal."""
    wanted = dict.fromkeys(goal.operation for goal in goals(results) if not goal.reached and goal.operation)
    environ = ostiary_target.environment(folder / "sqlite", None)
    for operation in wanted:
        if operation not in TITLES:
            continue
        output = folder / f"{operation}.profile"
        started = ostiary_target.serve(folder / "sqlite", {**environ, "BENCH_PROFILE": str(output)}, program=SAMPLED)
        results.profiles[operation] = _profile(operation, started, load, output=output, seconds=seconds)


def _profile(operation: str, started: Started, load: Load, *, output: Path, seconds: float) -> str:
    target = ostiary_target.target(SQLITE, started)
    target.sign_in()
    measure(operation, target, load, seconds=0.3)
    started.process.send_signal(signal.SIGUSR1)
    measure(operation, target, load, seconds=seconds)
    started.stop()
    blocks = output.read_text(encoding="utf-8").split("== ")[1:]
    kept = {title: body.splitlines() for title, _, body in (block.partition("\n") for block in blocks)}
    below = [line for line in kept["with what they call"] if "bench/sampled.py" not in line and " 100.0 %" not in line]
    return "\n".join(("own time", *kept["own"][:_SHOWN], "with what they call", *below[: _SHOWN * 2]))


if __name__ == "__main__":
    raise SystemExit(main())
