"""The list of caches: every cache of the program has a line, and every line a cache."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "ostiary"
PAGE = (ROOT / "docs" / "caches.md").read_text()
sys.path.insert(0, str(ROOT / "scripts"))

import caches  # noqa: E402 - a script, not a package

NAMES = re.compile(r"`([\w.]+)`")
TEMPORARY = {"blueprints/text/loader.py", "blueprints/text/nodes.py", "blueprints/applying/resolve.py"}
"""They number nodes while they hold them."""


def rows(columns: int) -> list[list[str]]:
    """Return the cells of the tables with that number of columns, without headings."""
    found = [line.strip("| \n").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
    return [cells for cells in found if len(cells) == columns]


def names(cells: list[list[str]]) -> list[str]:
    return [name for row in cells for name in NAMES.findall(row[0])]


def test_every_cache_has_its_line() -> None:
    memo_keys = caches.memo_keys(SOURCE)
    described = [name for name in names([*rows(5), *rows(2)]) if name not in memo_keys]
    assert sorted(described) == sorted(caches.caches(SOURCE))


def test_every_line_has_key_bound_and_invalidation() -> None:
    assert all(all(cell.strip() for cell in row) for row in rows(5))
    unbounded = [row[0] for row in rows(5) if not re.search(r"\d|the |what ", row[3])]
    assert unbounded == []


def test_every_snapshot_memo_has_its_line() -> None:
    others = caches.caches(SOURCE)
    assert sorted(name for name in names(rows(2)) if name not in others) == sorted(caches.memo_keys(SOURCE))


def test_no_cache_is_keyed_by_id() -> None:
    in_one_expression = {"store/workspace/overlay.py"}
    assert caches.keyed_by_identity(SOURCE) == TEMPORARY | in_one_expression


MODULE = """
import functools

known: dict[str, int] = {}
limits = {"a": 1}


@functools.lru_cache(maxsize=3)
def one(text):
    return text


def two(text):
    if text not in known:
        known[text] = limits[text]
    return known[text]


class Three:
    def __init__(self):
        self.kept = BoundedCache(3)
        self.plain = {}
        self.memo = {}

    def get(self, key):
        return self.memo.get(key)

    def put(self, key, value):
        self.memo[key] = value
        self.plain[key] = value
"""


def test_the_forms_of_a_cache_are_found() -> None:
    names_found = caches.of_module(ast.parse(MODULE), "some")
    assert names_found == {"some.one", "some.known", "Three.kept", "Three.memo"}


def test_the_key_of_a_memo_is_found() -> None:
    code = 'def f(snapshot):\n    key = ("a.b", 1)\n    snapshot.memo(key, g)\n    snapshot.memo("c.d", g)\n'
    assert set(caches._memo_keys(ast.parse(code))) == {"a.b", "c.d"}
