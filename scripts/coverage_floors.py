"""Measures which lines and branches the tests of each room take, and fails where it is less than coverage.toml says.

    scripts/coverage_floors.py [ROOM ...] [--raise]

coverage.toml has one table for each group of tests:

    [store]
    tests = ["tests/store", "tests/config"]    what is run, without the slow ones
    floors = { store = 100.0 }                 the least share of lines and branches, in percent, by room

A room is measured with the tests of its own group alone, so that the number means the same whatever else is run. With
`--raise` higher floors are written. A floor below 100 is set `SLACK` under what was measured, because races decide a
few branches. What is uncovered is printed for rooms that must be covered whole, and for those that fell.
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
    """One run of tests, and the rooms that are measured with it."""

    name: str
    tests: tuple[str, ...]
    floors: Mapping[str, float]


@dataclass(frozen=True)
class Share:
    """What the tests take of a room, and what they leave, by file."""

    taken: int
    all: int
    left: Mapping[str, str]

    @property
    def percent(self) -> float:
        """The share in percent, rounded down to two digits."""
        return int(10_000 * self.taken / self.all) / 100 if self.all else WHOLE


def load(path: Path = FLOORS) -> list[Group]:
    """Return the groups. Raises ValueError for a room that stands in two of them."""
    tables = tomllib.loads(path.read_text())
    groups = [Group(name, tuple(table["tests"]), table["floors"]) for name, table in tables.items()]
    rooms = [room for group in groups for room in group.floors]
    if len(rooms) != len(set(rooms)):
        raise ValueError("a room stands in two groups")
    return groups


def shares(report: Mapping[str, Any], rooms: Sequence[str]) -> dict[str, Share]:
    """Return the share of each room in a JSON report of coverage.py."""
    found = {}
    for room in rooms:
        files = {path: one for path, one in report["files"].items() if f"ostiary/{room}/" in path or _is(path, room)}
        sums = [one["summary"] for one in files.values()]
        found[room] = Share(
            taken=sum(one["covered_lines"] + one["covered_branches"] for one in sums),
            all=sum(one["num_statements"] + one["num_branches"] for one in sums),
            left={path: left for path, one in sorted(files.items()) if (left := _left(one))},
        )
    return found


def _is(path: str, room: str) -> bool:
    return path.endswith(f"ostiary/{room}.py")


def _left(one: Mapping[str, Any]) -> str:
    lines = [str(line) for line in one["missing_lines"]]
    branches = [f"{begin}->{'exit' if end < 0 else end}" for begin, end in one["missing_branches"] if end]
    return ", ".join([*lines, *(branch for branch in branches if branch.partition("->")[0] not in lines)])


def measure(group: Group) -> tuple[bool, dict[str, Share]]:
    """Run a group's tests. Return whether they passed, and the shares of its rooms."""
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
        return done.returncode == 0, shares(json.loads(report.read_text()), list(group.floors))


def fell(group: Group, found: Mapping[str, Share]) -> Iterator[str]:
    """Yield what is to be said of each room of a group that is below its floor."""
    for room, floor in group.floors.items():
        share = found[room]
        if share.percent < floor:
            yield f"{room}: {share.percent} %, the floor is {floor} %; not taken:"
            yield from (f"    {path}: {left}" for path, left in share.left.items())


def raised(text: str, found: Mapping[str, Share]) -> str:
    """Return coverage.toml with the floors that can be higher."""

    def higher(match: re.Match[str]) -> str:
        share = found.get(match[1].strip('"'))
        if share is None:
            return match[0]
        reached = share.percent if share.percent == WHOLE else int(10 * (share.percent - SLACK)) / 10
        return f"{match[1]} = {max(float(match[2]), reached)}"

    return re.sub(r'("[\w/]+"|\b[\w]+) = (\d+(?:\.\d+)?)', higher, text)


def main() -> int:
    """Measure the groups asked for."""
    parser = argparse.ArgumentParser(description="Compare the coverage of rooms with its floors.")
    parser.add_argument("room", nargs="*", help="only the groups of these rooms")
    parser.add_argument("--raise", dest="higher", action="store_true", help="write higher floors")
    chosen = parser.parse_args()
    groups = [group for group in load() if not chosen.room or set(chosen.room) & {group.name, *group.floors}]
    failed = []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for group, (passed, found) in zip(groups, pool.map(measure, groups), strict=True):
            for room, share in found.items():
                print(f"{room:24} {share.percent:6.2f} %  floor {group.floors[room]:6.2f} %", flush=True)
            complaints = [*fell(group, found), *(() if passed else [f"{group.name}: its tests do not pass"])]
            print(*complaints, sep="\n", end="\n" if complaints else "", flush=True)
            failed += complaints
            if chosen.higher and passed:
                FLOORS.write_text(raised(FLOORS.read_text(), found))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
