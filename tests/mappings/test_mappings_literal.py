"""Expressions that only name what they return are read; anything that would have to be run is not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from test_mappings import mapping, subject

from ostiary.expressions import meaning_of
from ostiary.mappings.claims import ClaimSet
from ostiary.mappings.literal import MAX_LENGTH, VOCABULARY
from ostiary.mappings.mapping_context import MappingContext
from ostiary.mappings.stock import NativeMapping

FIXTURE = Path(__file__).parent.parent / "oauth2" / "conformance.yaml"


def find_literal(expression: str) -> NativeMapping | None:
    found = meaning_of(expression, VOCABULARY)
    return found.value if found is not None else None


def read(expression: str) -> object:
    native = find_literal(expression)
    return None if native is None else dict(native.build(subject()))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("return {}", {}),
        (
            "# why\nreturn {'a': 1, 'b': [True, None, -2.5, 'x'], 'c': {'d': ('e',)}}",
            {"a": 1, "b": [True, None, -2.5, "x"], "c": {"d": ["e"]}},
        ),
        (
            "return {'n': request.user.name, 'u': request.user.username, 'e': request.user.email}",
            {"n": "Ada L.", "u": "ada", "e": "ada@example.org"},
        ),
        ("  return {'a': '\\n'}", {"a": "\n"}),
        ("return {'g': [group.name for group in request.user.ak_groups.all()]}", {"g": ["admins"]}),
        ("return {'g': [g.name for g in request.user.groups.all()]}", {"g": ["admins"]}),
    ],
)
def test_read(expression: str, value: object) -> None:
    assert read(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "return 1",
        "{'a': 1}",
        "x = {'a': 1}\nreturn x",
        "return {'a': 1 + 1}",
        "return {'a': f'{1}'}",
        "return {1: 'a'}",
        "return {**{}}",
        "return {'a': request.user.password}",
        "return {'a': request.user.__class__}",
        "return {'a': request.user.groups}",
        "return {'a': user.name}",
        "return {'a': open('/etc/passwd')}",
        "return {'a': __import__('os')}",
        "return {'a': b'x'}",
        "return {'a': {1, 2}}",
        "return {'a': ...}",
        "return {'a': 1j}",
        "return {'g': [group.pk for group in request.user.groups.all()]}",
        "return {'g': [group.name for group in request.user.groups.all() if group]}",
        "return {'g': [other.name for group in request.user.groups.all()]}",
        "return {'g': [group.name for group in request.user.groups.all(1)]}",
        "return {'a': " + "[" * 40 + "]" * 40 + "}",
        "return {'a': '" + "x" * MAX_LENGTH + "'}",
        "return (",
        "",
    ],
)
def test_not_read(expression: str) -> None:
    assert find_literal(expression) is None


def test_values_are_not_shared() -> None:
    native = find_literal("return {'a': {'b': []}}")
    assert native is not None
    first = native.build(subject())
    first["a"]["b"].append(1)  # type: ignore[index]
    assert native.build(subject()) == {"a": {"b": []}}
    assert native.claims == ("a",)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_constants_come_back_as_they_are(value: object) -> None:
    assert read(f"return {{'a': {value!r}}}") == {"a": value}


@given(st.text(max_size=200))
def test_nothing_makes_it_fail(text: str) -> None:
    find_literal(text)
    find_literal(f"return {{{text}}}")


async def test_every_mapping_of_the_conformance_fixture_is_read() -> None:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
    document = yaml.load(FIXTURE.read_text(), Loader=Loader)  # noqa: S506 - our own safe loader
    found = [one["attrs"] for one in document["entries"] if one["model"].endswith("scopemapping")]
    assert {one["scope_name"] for one in found} == {"address", "phone", "profile"}
    for one in found:
        ast.parse(f"def f(request):\n  {one['expression'].strip()}".replace("\n", "\n  "))
        scope = one["scope_name"]
        mapping_context = MappingContext(now=1, evaluator=None)
        claims = await ClaimSet([mapping(scope, one["expression"])]).claims(subject(), (scope,), mapping_context)
        assert claims.values
        assert not claims.failed
