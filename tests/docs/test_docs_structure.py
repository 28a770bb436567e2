"""The structure that `make check` holds: a circle of imports is found, and a folder that grew too large."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import circles
import sizes


def test_a_circle_is_found_whatever_stands_around_it() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"d", "leaf"}, "d": {"b"}, "leaf": set(), "top": {"a"}}
    assert list(circles.circles(imports)) == [["b", "c", "d", "b"]]


def test_two_circles_are_two() -> None:
    imports = {"a": {"b"}, "b": {"a"}, "c": {"d", "a"}, "d": {"c"}}
    assert sorted(circle[0] for circle in circles.circles(imports)) == ["a", "c"]


def test_without_a_circle_nothing_is_told() -> None:
    assert list(circles.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})) == []


def test_a_folder_of_many_modules_is_told(tmp_path: Path) -> None:
    for number in range(sizes.MOST_MODULES + 1):
        (tmp_path / f"m{number}.py").write_text("")
    assert list(sizes.crowded(tmp_path)) == [f"{tmp_path}: {sizes.MOST_MODULES + 1} modules, the limit is 16"]
    (tmp_path / "m0.py").unlink()
    assert list(sizes.crowded(tmp_path)) == []
