"""Measures the line and branch coverage of each room, and fails if it is below the floor in coverage.toml.

    scripts/coverage_floors.py [ROOM ...] [--raise]

coverage.toml has one table for each group of tests:

    [store]
    tests = ["tests/store", "tests/config"]    the tests, without slow ones
    floors = { store = 100.0 }                 the minimum coverage of lines and branches, in percent, by room

A room is measured only with the tests of its group, so that the result does not depend on other tests. `--raise` writes
higher floors. A floor below 100 is `SLACK` below the measured value, because a few branches depend on races. Uncovered
lines are printed for rooms below their floor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FLOORS: Final = ROOT / "coverage.toml"
WHOLE: Final = 100.0
SLACK: Final = 0.5  # percent
AT_ONCE: Final = 2  # groups


@dataclass(frozen=True)
class Group:
    """A run of tests, and the rooms measured with it."""

    name: str
    tests: tuple[str, ...]
    floors: Mapping[str, float]


@dataclass(frozen=True)
class Coverage:
    """The coverage of a room, with the uncovered lines and branches by file."""

    covered: int
    all: int
    uncovered: Mapping[str, str]

    @property
    def percent(self) -> float:
        """The coverage in percent, rounded down to two digits."""
        return int(10_000 * self.covered / self.all) / 100 if self.all else WHOLE


def load(path: Path = FLOORS) -> list[Group]:
    """Return the groups. Raises ValueError for a room in two groups."""
    tables = tomllib.loads(path.read_text())
    groups = [Group(name, tuple(table["tests"]), table["floors"]) for name, table in tables.items()]
    rooms = [room for group in groups for room in group.floors]
    if len(rooms) != len(set(rooms)):
        raise ValueError("a room is in two groups")
    return groups


def coverage_of(report: Mapping[str, Any], rooms: Sequence[str]) -> dict[str, Coverage]:
    """Return the coverage of each room in a JSON report of coverage.py."""
    coverage = {}
    for room in rooms:
        files = {path: one for path, one in report["files"].items() if f"ostiary/{room}/" in path or _is(path, room)}
        sums = [one["summary"] for one in files.values()]
        coverage[room] = Coverage(
            covered=sum(one["covered_lines"] + one["covered_branches"] for one in sums),
            all=sum(one["num_statements"] + one["num_branches"] for one in sums),
            uncovered={path: text for path, one in sorted(files.items()) if (text := _uncovered(one))},
        )
    return coverage


def _is(path: str, room: str) -> bool:
    return path.endswith(f"ostiary/{room}.py")


def _uncovered(one: Mapping[str, Any]) -> str:
    lines = [str(line) for line in one["missing_lines"]]
    branches = [f"{begin}->{'exit' if end < 0 else end}" for begin, end in one["missing_branches"] if end]
    return ", ".join([*lines, *(branch for branch in branches if branch.partition("->")[0] not in lines)])


def measure(group: Group) -> tuple[bool, dict[str, Coverage]]:
    """Run the tests of a group. Returns whether they passed, and the coverage of its rooms."""
    with tempfile.TemporaryDirectory(prefix="ostiary-coverage-") as folder:
        data, report = Path(folder) / "data", Path(folder) / "report.json"
        sources = ",".join(f"ostiary.{room.replace('/', '.')}" for room in group.floors)
        environ = {**os.environ, "COVERAGE_FILE": str(data), "COVERAGE_CORE": "ctrace"}
        command = [sys.executable, "-m", "coverage"]
        run = [
            *command, "run", f"--source={sources}", "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider",
            "--hypothesis-seed=0", "-m", "not slow and not image", *group.tests,
        ]  # fmt: skip
        done = subprocess.run(run, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout[-4000:] + done.stderr[-2000:], flush=True)
        subprocess.run([*command, "json", "-q", "-o", str(report)], cwd=ROOT, env=environ, check=True)
        return done.returncode == 0, coverage_of(json.loads(report.read_text()), list(group.floors))


def shortfalls(group: Group, measured: Mapping[str, Coverage]) -> Iterator[str]:
    """Yield lines about each room of a group that is below its floor."""
    for room, floor in group.floors.items():
        coverage = measured[room]
        if coverage.percent < floor:
            yield f"{room}: {coverage.percent} %, the floor is {floor} %; uncovered:"
            yield from (f"    {path}: {text}" for path, text in coverage.uncovered.items())


def raised(text: str, measured: Mapping[str, Coverage]) -> str:
    """Return coverage.toml with raised floors."""

    def higher(match: re.Match[str]) -> str:
        coverage = measured.get(match[1].strip('"'))
        if coverage is None:
            return match[0]
        reached = coverage.percent if coverage.percent == WHOLE else int(10 * (coverage.percent - SLACK)) / 10
        return f"{match[1]} = {max(float(match[2]), reached)}"

    return re.sub(r'("[\w/]+"|\b[\w]+) = (\d+(?:\.\d+)?)', higher, text)


def main() -> int:
    """Measure all groups, or those of the command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Compare the coverage of rooms with their floors.")
    parser.add_argument("room", nargs="*", help="only the groups of these rooms")
    parser.add_argument("--raise", dest="higher", action="store_true", help="write higher floors")
    options = parser.parse_args()
    groups = [group for group in load() if not options.room or set(options.room) & {group.name, *group.floors}]
    failures = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for group, (passed, measured) in zip(groups, pool.map(measure, groups), strict=True):
            for room, coverage in measured.items():
                print(f"{room:24} {coverage.percent:6.2f} %  floor {group.floors[room]:6.2f} %", flush=True)
            lines = [*shortfalls(group, measured), *(() if passed else [f"{group.name}: its tests do not pass"])]
            print(*lines, sep="\n", end="\n" if lines else "", flush=True)
            failures += lines
            if options.higher and passed:
                FLOORS.write_text(raised(FLOORS.read_text(), measured))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
