"""The coverage floors: every room has one, they only rise, and a room below its floor is reported."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import coverage_floors as floors  # noqa: E402 - a script, not a package

REPORT = {
    "files": {
        "src/ostiary/store/a.py": {
            "summary": {"covered_lines": 6, "covered_branches": 2, "num_statements": 7, "num_branches": 4},
            "missing_lines": [9],
            "missing_branches": [[9, 10], [4, -1]],
        },
        "src/ostiary/store/b.py": {
            "summary": {"covered_lines": 2, "covered_branches": 0, "num_statements": 2, "num_branches": 0},
            "missing_lines": [],
            "missing_branches": [],
        },
        "src/ostiary/record.py": {
            "summary": {"covered_lines": 3, "covered_branches": 0, "num_statements": 3, "num_branches": 0},
            "missing_lines": [],
            "missing_branches": [],
        },
    }
}


def group(**of: float) -> floors.Group:
    return floors.Group("some", ("tests/store",), of)


def test_every_room_has_a_floor_and_three_are_covered_whole() -> None:
    floor_of = {room: floor for one in floors.load() for room, floor in one.floors.items()}
    modules = [path.relative_to(ROOT / "src/ostiary") for path in (ROOT / "src/ostiary").rglob("*.py")]
    rooms = {path.parts[0] for path in modules if len(path.parts) > 1 and path.parts[1:] != ("__init__.py",)}
    assert set(floor_of) == rooms | {"record"}
    assert {room for room in ("proto", "resource", "store") if floor_of[room] != floors.WHOLE} == set()
    assert all((ROOT / path).exists() for one in floors.load() for path in one.tests)


def test_lines_and_branches_of_a_room_are_counted_together() -> None:
    coverage = floors.coverage_of(REPORT, ["store", "record", "empty"])
    assert {room: share.percent for room, share in coverage.items()} == {
        "store": 76.92,
        "record": 100.0,
        "empty": 100.0,
    }
    assert coverage["store"].uncovered == {"src/ostiary/store/a.py": "9, 4->exit"}


def test_a_room_below_its_floor_is_reported_with_uncovered_lines() -> None:
    coverage = floors.coverage_of(REPORT, ["store", "record"])
    assert list(floors.shortfalls(group(store=76.9, record=100.0), coverage)) == []
    lines = list(floors.shortfalls(group(store=77.0, record=100.0), coverage))
    assert lines == ["store: 76.92 %, the floor is 77.0 %; uncovered:", "    src/ostiary/store/a.py: 9, 4->exit"]


def test_a_floor_only_rises() -> None:
    text = '[x]\ntests = ["tests/store"]\nfloors = { store = 10.0, record = 99.0, web = 50.0 }\n'
    coverage = floors.coverage_of(REPORT, ["store", "record"])
    assert floors.raised(text, coverage).endswith("floors = { store = 76.4, record = 100.0, web = 50.0 }\n")
    assert floors.raised(text.replace("10.0", "80.0"), coverage).endswith(
        "store = 80.0, record = 100.0, web = 50.0 }\n"
    )
