"""Each tag alone, without a database."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.app.rooms import KINDS
from ostiary.blueprints.applying.matches import lookup_name
from ostiary.blueprints.applying.resolve import MAX_STEPS, MAX_TEXTS, Resolver
from ostiary.blueprints.errors import BlueprintError
from ostiary.blueprints.text.loader import load
from ostiary.blueprints.text.nodes import from_plain, spelled
from ostiary.blueprints.text.source import TextPosition
from ostiary.resource import Registry
from ostiary.store.workspace.changes import StoredObject

REGISTRY = Registry(KINDS)
GROUP = REGISTRY.get("authentik_core.group")
ADMINS = StoredObject(GROUP, "11111111-1111-4111-8111-111111111111", {"name": "admins", "is_superuser": True})
HERE = TextPosition("here", 1, 1)


@dataclass
class Shelf:
    """Finds the admins only."""

    asked: list[tuple[str, list[tuple[str, object]]]] = field(default_factory=list)

    async def match(self, target: str, lookups: Sequence[tuple[str, object]]) -> Sequence[StoredObject]:
        self.asked.append((target, list(lookups)))
        return [ADMINS] if ("name", "admins") in lookups else []


def resolver(shelf: Shelf | None = None, **context: object) -> Resolver:
    return Resolver(
        registry=REGISTRY,
        match=(shelf or Shelf()).match,
        environ={"NAME": "value", "EMPTY": ""},
        read_file={"/run/secret": "from the file"}.get,
        context={key: from_plain(value, HERE) for key, value in context.items()},
        applied={"admins-entry": ADMINS},
    )


async def value(text: str, **context: Any) -> Any:
    [node] = load(f"x: {text}", "f.yaml")
    result = await resolver(**context).value(node)
    assert isinstance(result, dict)
    return result["x"]


async def error(text: str, **context: object) -> str:
    with pytest.raises(BlueprintError) as caught:
        await value(text, **context)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!KeyOf admins-entry", ADMINS.pk),
        ("!Find [authentik_core.group, [name, admins]]", ADMINS.pk),
        ("!Find [authentik_core.group, [name, others]]", None),
        ("!Find [!Format ['authentik_core.%s', group], [!Env [FIELD, name], !Format ['%ss', admin]]]", ADMINS.pk),
        ("!FindObject [authentik_core.group, [name, others]]", None),
        ("!AtIndex [!FindObject [authentik_core.group, [name, admins]], is_superuser]", True),
        ("!AtIndex [!FindObject [authentik_core.group, [name, admins]], pk]", ADMINS.pk),
        ("!Env NAME", "value"),
        ("!Env [NAME]", "value"),
        ("!Env [NAME, other]", "value"),
        ("!Env EMPTY", None),
        ("!Env [EMPTY, other]", "other"),
        ("!Env [MISSING, !Env NAME]", "value"),
        ("!Env MISSING", None),
        ("!File /run/secret", "from the file"),
        ("!File [/nowhere, plain]", "plain"),
        ("!File /nowhere", None),
        ("!Context name", "inside"),
        ("!Context [name, other]", "inside"),
        ("!Context [missing, {a: [1]}]", {"a": [1]}),
        ("!Context missing", None),
        ("!Format ['%s-%d', !Env NAME, 3]", "value-3"),
        ("!Format [plain]", "plain"),
        ("!If [!Env NAME]", True),
        ("!If [!Env MISSING]", False),
        ("!If [true, {a: !Env NAME}, !KeyOf nobody]", {"a": "value"}),
        ("!If [false, !KeyOf nobody, [1, 2]]", [1, 2]),
        ("!Condition [AND, true, x]", True),
        ("!Condition [nand, true, x]", False),
        ("!Condition [OR, '', !Env NAME]", True),
        ("!Condition [NOR, '', 0]", True),
        ("!Condition [XOR, true, true, true]", True),
        ("!Condition [Xnor, true, false]", False),
        ("!Enumerate [[a, b], SEQ, !Format ['%s%s', !Index 0, !Value 0]]", ["0a", "1b"]),
        ("!Enumerate [{k: v, l: w}, MAP, [!Index 0, !Value 0]]", {"k": "v", "l": "w"}),
        ("!Enumerate [[a, b], MAP, {n: [!Value 0]}]", {"n": ["a", "b"]}),
        ("!Enumerate [[a, b], MAP, [!Value 0, {deep: {x: !Index 0}}]]", {"a": {"deep": {"x": 0}}, "b": {"deep": {"x": 1}}}),
        ("!Enumerate [!Context rows, seq, !Value 0]", [[1, 2], [3]]),
        ("!Enumerate [[], SEQ, !Value 0]", []),
        ("!Enumerate [öx, SEQ, [!Index 0, !Value 0]]", [[0, "ö"], [1, "x"]]),
        ("!Enumerate ['', SEQ, !Value 0]", []),
        ("!Enumerate [[], MAP, !Value 0]", {}),
        ("!AtIndex [[a, b], 1]", "b"),
        ("!AtIndex [[a, b], -1]", "b"),
        ("!AtIndex [[a, b], 2, none]", "none"),
        ("!AtIndex [{a: 1}, b, !Env NAME]", "value"),
        ("!AtIndex [!Context missing, b, left]", "left"),
        ("!AtIndex [!Enumerate [[x, y], SEQ, !Value 0], 1]", "y"),
        ("""!ParseJSON '{"a": [1, null, true]}'""", {"a": [1, None, True]}),
    ],
)  # fmt: skip
async def test_values(text: str, expected: object) -> None:
    assert await value(text, name="inside", rows=[[1, 2], [3]]) == expected


async def test_nested_enumerates_count_their_depth_from_the_inside() -> None:
    text = "!Enumerate [!Context rows, SEQ, !Enumerate [!Value 1, SEQ, !Format ['%s.%s=%s', !Index 1, !Index 0, !Value 0]]]"
    assert await value(text, rows=[["a", "b"], ["c"]]) == [["0.0=a", "0.1=b"], ["1.0=c"]]
    three = "!Enumerate [[[[1]]], SEQ, !Enumerate [!Value 1, SEQ, !Enumerate [!Value 1, SEQ, [!Value 0, !Value 1, !Value 2]]]]"
    assert await value(three) == [[[[1, [1], [[1]]]]]]


async def test_a_body_after_an_inner_enumerate_sees_its_own_turn() -> None:
    text = "!Enumerate [[a, b], SEQ, [!Enumerate [[c], SEQ, !Value 0], !Value 0]]"
    assert await value(text) == [[["c"], "a"], [["c"], "b"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!KeyOf nobody", "f.yaml:1:4: !KeyOf nobody: expected the id of an entry applied before this one"),
        ("!Find [authentik_core.grup, [name, x]]", "unknown model authentik_core.grup, did you mean authentik_core.group?"),
        ("!Find [authentik_providers_saml.samlprovider, [name, x]]", "model authentik_providers_saml.samlprovider is not available yet"),
        ("!Find [authentik_sources_ldap.ldapsource, [name, x]]", "model authentik_sources_ldap.ldapsource is not available yet"),
        ("!Find [authentik_core.group]", "expected !Find [MODEL, [FIELD, VALUE], ...] with at least one pair"),
        ("!Find [authentik_core.group, name]", "f.yaml:1:33: expected a pair [FIELD, VALUE]"),
        ("!Find authentik_core.group", "expected !Find [MODEL, [FIELD, VALUE], ...]"),
        ("!Env [A, b, c]", "expected !Env NAME or !Env [NAME, DEFAULT]"),
        ("!Env", "expected !Env NAME"),
        ("!Env [[1]]", "!Env: expected a name"),
        ("!Format ['%s', 1, 2]", "!Format: the text does not fit its 2 argument(s)"),
        ("!Format ['%d', x]", "!Format: the text does not fit its 1 argument(s)"),
        ("!Format ['%999999999d', 1]", "no width above 999"),
        ("!Format ['%*d', 999999999, 1]", "no width above 999"),
        ("!Format ['%.99999f', 1.0]", "no width above 999"),
        ("!If [a, b]", "expected !If [CONDITION] or !If [CONDITION, THEN, ELSE]"),
        ("!Condition [MAYBE, a]", "f.yaml:1:16: expected one of AND, NAND, OR, NOR, XOR, XNOR"),
        ("!Condition [AND]", "with at least one value"),
        ("!Enumerate [[1], LIST, x]", "f.yaml:1:21: expected one of SEQ, MAP"),
        ("!Enumerate [7, SEQ, x]", "!Enumerate: expected a list, a mapping or a text"),
        ("!Enumerate [!Value 0, SEQ, x]", "!Value 0 is the !Enumerate itself here, expected depth 1"),
        ("!Enumerate [!AtIndex [!Value 0, 0], SEQ, x]", "!Value 0 is the !Enumerate itself here, expected a depth above"),
        ("!Enumerate [[1], MAP, !Value 0]", "!Enumerate: expected a pair [KEY, VALUE] or a mapping for MAP"),
        ("!Index 0", "!Index 0: there is no !Enumerate that deep"),
        ("!Value x", "expected !Value DEPTH, a whole number from 0"),
        ("!Value -1", "expected !Value DEPTH, a whole number from 0"),
        ("!AtIndex [[a], 1]", "!AtIndex: there is no item 1"),
        ("!AtIndex [{a: 1}, b]", '!AtIndex: there is no item "b"'),
        ("!AtIndex [text, 0]", "!AtIndex: expected a list or a mapping"),
        ("!AtIndex [!FindObject [authentik_core.group, [name, x]], pk]", "!FindObject [authentik_core.group, [name, x]] found nothing"),
        ("!ParseJSON '{'", "f.yaml:1:4: expected a JSON text"),
        ("!ParseJSON 'NaN'", "expected a JSON text"),
        ("!ParseJSON [1]", "expected !ParseJSON TEXT"),
        ("!KeyOf [a]", "expected !KeyOf ID"),
    ],
)  # fmt: skip
async def test_errors_say_what_was_expected(text: str, expected: str) -> None:
    assert expected in await error(text)


async def test_a_context_that_names_itself_is_refused() -> None:
    [context, node] = load("a: !Context a\n---\n!Context a\n", "f.yaml")
    found = resolver()
    found.context = {"a": context.pairs["a"]}  # type: ignore[attr-defined]
    with pytest.raises(BlueprintError, match="refers to itself"):
        await found.value(node)


async def test_nested_enumerates_cannot_exhaust_the_machine() -> None:
    rows = list(range(200))
    text = "!Enumerate [!Context r, SEQ, !Enumerate [!Context r, SEQ, !Enumerate [!Context r, SEQ, x]]]"
    assert f"makes more than {MAX_STEPS} values" in await error(text, r=rows)


async def test_many_long_texts_cannot_exhaust_the_machine() -> None:
    text = "!Enumerate [!Context r, SEQ, !Format ['%s%s', !Context t, !Index 0]]"
    assert f"makes more than {MAX_TEXTS} characters" in await error(text, r=list(range(200)), t="x" * 90_000)


async def test_merging_changes_nothing_that_it_was_given() -> None:
    once = '!ParseJSON \'{"a": {"b": [1]}, "c": [2]}\''
    text = f"[!Enumerate [[1, 2, 3], MAP, {once}], !Enumerate [[1], MAP, !Context kept], !Context kept]"
    first, second, kept = await value(text, kept={"a": {"b": [1]}})
    assert first == {"a": {"b": [1, 1, 1]}, "c": [2, 2, 2]}
    assert second == kept == {"a": {"b": [1]}}
    twice = "!Enumerate [[1, 2], SEQ, !Enumerate [[1, 2], MAP, !Value 1]]"
    shared = "!Enumerate [!Context rows, MAP, !Value 0]"
    rows = [{"a": {"n": [1]}}, {"a": {"n": [2]}}, {"a": 5}, {"a": {"n": [3]}}]
    assert await value(shared, rows=rows) == {"a": {"n": [3]}}
    assert "expected a pair" in await error(twice)


async def test_a_find_inside_a_find_that_found_nothing_finds_nothing() -> None:
    shelf = Shelf()
    found = resolver(shelf)
    [node] = load(
        "!Find [authentik_policies.policybinding, [group, !Find [authentik_core.group, [name, x]]]]", "f.yaml"
    )
    assert await found.value(node) is None
    assert [target for target, _ in shelf.asked] == ["authentik_core.group"]
    assert found.misses[node].endswith("!Find [authentik_core.group, [name, x]] found nothing")


async def test_values_of_the_environment_are_never_in_messages() -> None:
    found = resolver()
    [node] = load("!Find [authentik_core.group, [name, !Env NAME]]", "f.yaml")
    assert await found.value(node) is None
    assert found.misses[node] == "!Find [authentik_core.group, [name, !Env NAME]] found nothing"


def test_names_of_primary_keys() -> None:
    names = ("pbm_uuid", "target__pk", "target__flow_uuid__in", "user__username", "attributes__id")
    assert [lookup_name(name) for name in names] == [
        "pk",
        "target__pk",
        "target__pk__in",
        "user__username",
        "attributes__id",
    ]


def test_spelling() -> None:
    [node] = load("[a, 1, true, null, !If [x], {a: 1}, [1], !Value 2, !Env [A, b], !KeyOf k]", "f.yaml")
    assert [spelled(item) for item in node.items] == [  # type: ignore[attr-defined]
        '"a"', "1", "true", "null", "!If [...]", "{...}", "[...]", "!Value 2", "!Env A", "!KeyOf k",
    ]  # fmt: skip


@given(st.recursive(
    st.sampled_from(["!Env NAME", "!Env MISSING", "!Value 0", "!Index 0", "!Context rows", "1", "x", "null", "!KeyOf admins-entry"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda item: f"{{k: {item}}}"),
        st.tuples(inner, st.sampled_from(["SEQ", "MAP"]), inner).map(lambda t: f"!Enumerate [{t[0]}, {t[1]}, {t[2]}]"),
        st.tuples(inner, inner, inner).map(lambda t: f"!If [{', '.join(t)}]"),
        st.tuples(inner, inner).map(lambda t: f"!AtIndex [{', '.join(t)}]"),
        st.tuples(inner, inner).map(lambda t: f"!Condition [XOR, {', '.join(t)}]"),
        st.tuples(inner, inner).map(lambda t: f"!Find [authentik_core.group, [name, {t[0]}], [!Format ['%s', {t[1]}], 1]]"),
    ),
    max_leaves=12,
))  # fmt: skip
@settings(max_examples=300)
async def test_no_combination_of_tags_raises_anything_but_a_blueprint_error(text: str) -> None:
    with contextlib.suppress(BlueprintError):
        await value(text, rows=[[1], {"a": 2}])
