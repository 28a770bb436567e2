"""The state of rooms on a request: one value per class, used only by the module of the class."""

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


def test_the_value_of_a_class_is_created_on_first_use() -> None:
    request = Request()
    request.state.of(One).seen.append("x")
    assert request.state.of(One).seen == ["x"]
    assert request.state.of(Two).seen == []
    assert Request().state.of(One).seen == []


def test_a_redirected_request_shares_its_state() -> None:
    request = Request()
    request.own_tls = True
    request.state.of(One).seen.append("x")
    redirected = request.moved("/there", "")
    assert redirected.state.of(One).seen == ["x"]
    assert redirected.own_tls


def test_state_classes_are_used_where_they_are_defined() -> None:
    uses = 0
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text())
        defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
        used = [
            ast.unparse(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("request.state.of")
        ]
        assert set(used) <= defined, path
        uses += len(used)
    assert uses >= 10
