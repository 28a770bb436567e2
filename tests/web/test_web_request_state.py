"""What rooms note on a request: one value of each class, which its own module alone asks for."""

from __future__ import annotations

import ast
from pathlib import Path

from ostiary.web.request import Request

ROOT = Path(__file__).resolve().parents[2] / "src" / "ostiary"


class One:
    def __init__(self) -> None:
        self.seen: list[str] = []


class Two(One):
    pass


def test_each_class_has_its_value_made_on_first_use() -> None:
    request = Request()
    request.state.of(One).seen.append("x")
    assert request.state.of(One).seen == ["x"]
    assert request.state.of(Two).seen == []
    assert Request().state.of(One).seen == []


def test_a_request_that_follows_a_redirect_has_the_same_notes() -> None:
    request = Request()
    request.own_tls = True
    request.state.of(One).seen.append("x")
    there = request.moved("/there", "")
    assert there.state.of(One).seen == ["x"]
    assert there.own_tls


def test_notes_are_asked_for_where_they_are_defined() -> None:
    found = 0
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        asked = [
            ast.unparse(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("request.state.of")
        ]
        assert set(asked) <= defined, path
        found += len(asked)
    assert found >= 10
