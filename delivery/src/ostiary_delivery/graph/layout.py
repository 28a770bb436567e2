"""Layout of a layered graph: columns from left to right, requirements first. Pure.

After Sugiyama, Tagawa and Toda (1981): a line that passes a column gets its own place there, and each column is sorted
by the places of its neighbours, so that few lines cross and none hides behind a box.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Final

BOX: Final = 40.0  # height of a box, in pixels, as all numbers below
LANE: Final = 10.0  # height of a passing line's place
BETWEEN: Final = 16.0  # below each of them
AISLE: Final = 72.0  # between columns
EDGE: Final = 24.0  # around the whole
SWEEPS: Final = 12

Name = str
Point = tuple[float, float]
Spot = tuple[str, str, int]  # a box: its name twice, -1; a passing line: both ends and the column it passes


@dataclass(frozen=True, slots=True)
class Box:
    """A box; `left` and `top` are its corner."""

    left: float
    top: float
    width: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by name, lines as points (each two of them a curve or a straight piece), and the size of the whole."""

    boxes: Mapping[Name, Box]
    lines: Sequence[Sequence[Point]]
    width: float
    height: float


def layout(names: Sequence[Name], links: Sequence[tuple[Name, Name]], widths: Mapping[Name, float]) -> Layout:
    """Place boxes of these widths; `links` are (name, what it requires), both among the names. Cycles are allowed."""
    column = columns(names, links)
    rows = _rows(names, links, column)
    column_widths = [max((widths[one] for one, other, _ in row if one == other), default=0.0) for row in rows]
    lefts = [EDGE + sum(column_widths[:number]) + AISLE * number for number in range(len(rows))]
    tallest = max((_row_height(row) for row in rows), default=0.0)
    tops = {spot: top for row in rows for spot, top in _stacked(row, EDGE + (tallest - _row_height(row)) / 2)}
    boxes = {name: Box(lefts[column[name]], tops[name, name, -1], column_widths[column[name]]) for name in names}
    lines = []
    for name, one in links:
        start, end = boxes[one], boxes[name]
        points = [(start.left + start.width, start.top + BOX / 2)]
        for number in range(column[one] + 1, column[name]):
            y = tops[name, one, number] + LANE / 2
            points += [(lefts[number], y), (lefts[number] + column_widths[number], y)]
        lines.append([*points, (end.left, end.top + BOX / 2)])
    return Layout(boxes, lines, sum(column_widths) + AISLE * max(len(rows) - 1, 0) + 2 * EDGE, tallest + 2 * EDGE)


def columns(names: Sequence[Name], links: Sequence[tuple[Name, Name]]) -> dict[Name, int]:
    """Return the column of each name: one after its last requirement. Cycles stop at the number of names."""
    numbers = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for name, one in links:
            if name != one and numbers[name] <= numbers[one] < len(names) - 1:
                numbers[name], moved = numbers[one] + 1, True
        if not moved:
            break
    used = sorted(set(numbers.values()))
    return {name: used.index(number) for name, number in numbers.items()}


def _rows(names: Sequence[Name], links: Sequence[tuple[Name, Name]], column: Mapping[Name, int]) -> list[list[Spot]]:
    """Return the spots of each column from top to bottom, with neighbours near each other."""
    rows: list[list[Spot]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    beside: dict[Spot, list[Spot]] = {}
    for name in names:
        rows[column[name]].append((name, name, -1))
    for name, one in links:
        route = list(_route(name, one, column))
        for spot in route[1:-1]:
            rows[spot[2]].append(spot)
        for left, right in pairwise(route):
            beside.setdefault(left, []).append(right)
            beside.setdefault(right, []).append(left)
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        for number in range(1, len(rows)) if forth else range(len(rows) - 2, -1, -1):
            _sort(rows, number, by=number - 1 if forth else number + 1, beside=beside)
    return rows


def _route(name: Name, one: Name, column: Mapping[Name, int]) -> Iterator[Spot]:
    yield one, one, -1
    yield from ((name, one, number) for number in range(column[one] + 1, column[name]))
    yield name, name, -1


def _sort(rows: list[list[Spot]], number: int, *, by: int, beside: Mapping[Spot, Sequence[Spot]]) -> None:
    """Sort a column by the mean position of each spot's neighbours; a spot without neighbours stays."""
    middle = {spot: (at + 0.5) / len(rows[by]) for at, spot in enumerate(rows[by])}
    keys = {}
    for at, spot in enumerate(rows[number]):
        near = [middle[other] for other in beside.get(spot, ()) if other in middle]
        keys[spot] = fmean(near) if near else (at + 0.5) / len(rows[number])
    rows[number].sort(key=keys.__getitem__)


def _stacked(row: Sequence[Spot], top: float) -> Iterator[tuple[Spot, float]]:
    for spot in row:
        yield spot, top
        top += _spot_height(spot) + BETWEEN


def _row_height(row: Sequence[Spot]) -> float:
    return sum(_spot_height(spot) + BETWEEN for spot in row) - BETWEEN


def _spot_height(spot: Spot) -> float:
    return BOX if spot[2] < 0 else LANE
