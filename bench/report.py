"""docs/benchmarks.md, and the same tables for the terminal."""

from __future__ import annotations

import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from growth import OPERATIONS, Size
from operations import CONNECTIONS, PERSONS, TITLES
from results import DJANGO, NODE, POSTGRESQL, SQLITE, Goal, Results, goals
from support.postgres import programs

TARGETS: Final = (SQLITE, POSTGRESQL, NODE, DJANGO)
_HEAD: Final = """\
# Benchmarks

Written by `make bench`, which measures everything here in one run, side by side. The unit is **CPU microseconds of the
server's processes for one request**, best of {rounds} interleaved rounds: servers are pinned to one core, the load
({connections} connections; {persons} for whole sign-ins) to another. Time of the wall is a hint only. A ratio below 1.2
says nothing.

Ostiary does all its work meanwhile: every check, every event of the audit log, and every token in a database that
survives a power cut (SQLite with `synchronous=FULL`, PostgreSQL with `fsync` on). oidc-provider keeps its tokens in
memory. The whole sign-in is authorize, name, password, consent and the exchange of the code, through pages and forms;
its password hash ({hash:.0f} microseconds) is left out, since the peer has none.

"""


def text(results: Results) -> str:
    """Return the document."""
    parts = [
        _HEAD.format(rounds=results.rounds, connections=CONNECTIONS, persons=PERSONS, hash=results.hash_cost),
        *_section("Machine", _table(("", ""), results.facts)),
        *_section("Goals", _goals(results)),
        *_section("CPU microseconds for one", _costs(results)),
        *_section("How many times as much the peers need", _ratios(results)),
        *_section("In a second, on one core", _rates(results)),
        *_section("Start and memory", _starts(results)),
        *(_section("Growth: CPU microseconds for one, on SQLite", _growth(results)) if results.growth else ()),
        *(_section("Expressions: CPU microseconds for one", _expressions(results)) if results.expressions else ()),
        *_unreached(results),
    ]
    return "".join(parts)


def facts() -> list[tuple[str, str]]:
    """Return what the figures depend on; nothing that names the machine."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return [
        ("Processor", cpu),
        ("Python", platform.python_version()),
        ("SQLite", sqlite3.sqlite_version),
        ("PostgreSQL", _version(programs() / "postgres", "-V")),
        ("Node", _version(Path(sys.executable).with_name("node"), "--version")),
        ("OpenSSL", _version("openssl", "version")),
    ]


def _version(*command: str | Path) -> str:
    said = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else said.strip()


def _section(title: str, lines: Iterable[str]) -> tuple[str, ...]:
    return (f"## {title}\n\n", *(f"{line}\n" for line in lines), "\n")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    aligned = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (head, aligned, *rows)]


def _goals(results: Results) -> list[str]:
    rows = [(goal.title, goal.wanted, goal.found, "yes" if goal.reached else "**no**") for goal in goals(results)]
    return _table(("goal", "wanted", "found", "reached"), rows)


def _costs(results: Results) -> list[str]:
    rows = []
    for operation, title in TITLES.items():
        cells = []
        for target in TARGETS:
            cost = results.cost(operation, target)
            if cost is None:
                cells.append("")
                continue
            beside = min(one.cost_beside for one in results.samples[operation, target])
            more = f" + {beside:.0f} in the database" if target == POSTGRESQL else ""
            cells.append(f"{cost:.0f}{more} (+{results.spread(operation, target):.0%})")
        rows.append((title, *cells))
    rows.extend(
        (f"openssl speed {name}", f"{1e6 / max(rates):.0f}", "", "", "") for name, rates in results.openssl.items()
    )
    return [
        *_table(("operation", *TARGETS), rows),
        "",
        "In brackets: how much more the middle round cost than the best.",
    ]


def _ratios(results: Results) -> list[str]:
    rows = []
    for operation, title in TITLES.items():
        cells = []
        for target, peer in ((SQLITE, NODE), (POSTGRESQL, NODE), (SQLITE, DJANGO)):
            found = results.ratio(operation, target, peer)
            if found is None:
                cells.append("")
            else:
                low, high = results.ratio_spread(operation, target, peer)
                cells.append(f"{found:.2f} ({low:.2f} to {high:.2f})")
        rows.append((title, *cells))
    return _table(("operation", f"{NODE} / SQLite", f"{NODE} / PostgreSQL", f"{DJANGO} / SQLite"), rows)


def _rates(results: Results) -> list[str]:
    rows = [
        (title, *(f"{rate:,.0f}" if (rate := results.rate(operation, name)) else "" for name in TARGETS))
        for operation, title in TITLES.items()
    ]
    rows.extend((f"openssl speed {name}", f"{max(rates):,.0f}", "", "", "") for name, rates in results.openssl.items())
    return _table(("operation", *TARGETS), rows)


def _starts(results: Results) -> list[str]:
    rows = []
    for name, starts in results.starts.items():
        best = min(starts, key=lambda one: one.seconds)
        after = results.after.get(name)
        rows.append(
            (
                name,
                f"{best.seconds:.2f} s",
                f"{min(one.cpu for one in starts):.2f} s",
                f"{min(one.pss for one in starts):.0f} / {min(one.rss for one in starts):.0f} MB",
                f"{after[0]:.0f} / {after[1]:.0f} MB" if after else "",
            )
        )
    head = ("server", "first answer", "its CPU", "at rest, PSS / RSS", "after the load, PSS / RSS")
    return _table(head, rows)


def _growth(results: Results) -> list[str]:
    def row(size: Size) -> tuple[str, ...]:
        samples = results.growth[size]
        return (str(size), *(f"{min(one.cost for one in samples[name]):.0f}" for name in OPERATIONS))

    return _table(("beside what is measured", *OPERATIONS), [row(size) for size in results.growth])


def _expressions(results: Results) -> list[str]:
    rows = [(name, f"{cost:.0f}") for name, cost in results.expressions.items() if name != "small"]
    rows.append(("the median of these", f"{results.expressions['small']:.0f}"))
    return [
        "What has no native meaning runs in a worker. This is the whole way of a decision or of claims, the server's",
        "part and the worker's together. Stock expressions cost nothing of it, and no worker is started for them.",
        "",
        *_table(("expression", "cost"), rows),
    ]


def _unreached(results: Results) -> Iterable[str]:
    missed = [goal for goal in goals(results) if not goal.reached]
    if not missed:
        return
    yield from _section("What is not reached, and where the time goes", _reasons(results, missed))


def _reasons(results: Results, missed: Sequence[Goal]) -> Iterable[str]:
    yield "Profiles are of the process on SQLite, sampled by CPU time; C code counts for the line that called it."
    shown = set()
    for goal in missed:
        yield ""
        yield f"**{goal.title}**: wanted {goal.wanted}, found {goal.found}."
        if goal.operation in results.profiles and goal.operation not in shown:
            shown.add(goal.operation)
            yield ""
            yield "```"
            yield from results.profiles[goal.operation].splitlines()
            yield "```"
