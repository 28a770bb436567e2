from __future__ import annotations

import contextlib
import datetime as dt

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.blueprints.errors import BlueprintError, Unreadable
from ostiary.blueprints.text.loader import MAX_DEPTH, MAX_NODES, MAX_SCALAR, load
from ostiary.blueprints.text.nodes import Items, KeyOf, Node, Plain, Table, walk
from ostiary.blueprints.text.wrapper import read_file


def plain(node: Node) -> object:
    if isinstance(node, Items):
        return [plain(item) for item in node.items]
    if isinstance(node, Table):
        return {key: plain(item) for key, item in node.pairs.items()}
    assert isinstance(node, Plain)
    return node.value


def fault(text: str) -> str:
    with pytest.raises(Unreadable) as caught:
        load(text, "f.yaml")
    return str(caught.value)


def test_every_node_knows_its_place() -> None:
    [node] = load("a: 1\nb:\n  - x\n  - !KeyOf y\n", "f.yaml")
    assert isinstance(node, Table)
    listed = node.pairs["b"]
    assert isinstance(listed, Items)
    assert [str(item.position) for item in listed.items] == ["f.yaml:3:5", "f.yaml:4:5"]
    assert str(node.places["b"]) == "f.yaml:2:1"
    assert isinstance(listed.items[1], KeyOf)
    assert listed.items[1].id == "y"


def test_anchors_aliases_and_merge_keys() -> None:
    [node] = load("base: &b {x: 1, y: 2}\none:\n  <<: *b\n  y: 3\ntwo:\n  <<: [*b, {z: 4}]\nthree: *b\n", "f.yaml")
    assert plain(node) == {
        "base": {"x": 1, "y": 2},
        "one": {"x": 1, "y": 3},
        "two": {"x": 1, "y": 2, "z": 4},
        "three": {"x": 1, "y": 2},
    }


def test_an_alias_is_the_node_of_its_anchor() -> None:
    [node] = load("a: &a [1]\nb: *a\n", "f.yaml")
    assert isinstance(node, Table)
    assert node.pairs["a"] is node.pairs["b"]


def test_values_are_those_of_yaml_1_1() -> None:
    [node] = load("[yes, 'yes', 010, 0x10, 1e3, 1.5e+3, ~, '', =, 2026-01-31, !!str 5, ! 6]", "f.yaml")
    assert plain(node) == [
        True,
        "yes",
        8,
        16,
        "1e3",
        1500.0,
        None,
        "",
        "=",
        dt.date(2026, 1, 31),
        "5",
        "6",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: the key 'a' is already set in line 1"),
        ("x: {a: 1, a: 2}", "f.yaml:1:11: the key 'a' is already set in line 1"),
        ("? [1]\n: x", "f.yaml:1:3: a key must be a plain value, without tag"),
        ("? !KeyOf x\n: x", "f.yaml:1:3: a key must be a plain value, without tag"),
        ("a: *b", "f.yaml:1:4: the alias *b has no anchor before it"),
        ("&a [*a]", "f.yaml:1:5: the alias *a lies inside its own anchor"),
        ("a: {<<: 5}", "f.yaml:1:9: expected a mapping, or a list of mappings, to merge"),
        ("a: .nan", "f.yaml:1:4: expected a finite number"),
        ("a: .inf", "f.yaml:1:4: expected a finite number"),
        ("a: 2001-02-30", "f.yaml:1:4: is not a valid timestamp"),
        ("a: !!binary é", "f.yaml:1:4: is not a valid binary"),
        ("a:\n\tb: 1", "f.yaml:2:1: not valid YAML"),
        ("a: [1", "f.yaml:2:1: not valid YAML"),
        ("\n\nx: \ud800", "f.yaml:3:1: is not valid Unicode"),
    ],
)
def test_what_is_surely_a_mistake_is_refused_with_its_place(text: str, expected: str) -> None:
    assert fault(text).startswith(expected)


def test_unknown_tags_name_the_known_ones() -> None:
    assert fault("a: 1\nb: !Fnid [x]").startswith("f.yaml:2:4: unknown tag !Fnid, expected one of !KeyOf, !Find,")
    assert fault("!!python/object/apply:os.system [x]").startswith("f.yaml:1:1: unknown tag !!python/object")
    assert fault("!!set {a}").startswith("f.yaml:1:1: unknown tag !!set")
    assert fault("!Find {a: b}").startswith("f.yaml:1:1: expected !Find [MODEL")


def test_limits() -> None:
    deep = "[" * (MAX_DEPTH + 1)
    assert fault(deep).startswith(f"f.yaml:1:{MAX_DEPTH + 1}: is nested more than {MAX_DEPTH} deep")
    assert "is nested more than" in fault("[" * 200_000)
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert f"holds more than {MAX_NODES} values" in fault(bomb)
    assert "is larger than" in fault("# " + "x" * 3_000_000)
    assert read_file(b"x" * 3_000_000, path="f").errors


@pytest.mark.parametrize(
    "written",
    ["1" + ":30" * 150_000, "1" + ":30" * 150_000 + ".5", "0x" + "f" * 400_000, "9" * 400_000, "0b" + "1" * 400_000,
     "1." + "0" * 400_000, "2026-01-31T10:00:00." + "7" * 400_000, "!!int " + "7" * 400_000, "!!float " + "1" * 5_000,
     "!ParseJSON '" + "7" * 400_000 + "'", "!ParseJSON '[1." + "7" * 5_000 + "]'", "!ParseJSON '1e999'"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_long_numbers_are_refused_before_they_cost_anything(written: str) -> None:
    said = fault(f"a: {written}\n")
    assert len(said) < 400
    assert "characters" in said or "JSON" in said


def test_long_texts_of_digits_are_texts_when_they_are_quoted() -> None:
    long = "7" * 5_000
    assert plain(load(f"a: '{long}'\nb: |-\n  {long}\nc: !!str {long}\n", "f.yaml")[0]) == {
        "a": long, "b": long, "c": long,
    }  # fmt: skip


def test_merge_keys_cost_what_they_bring() -> None:
    base = "a: &a {" + ", ".join(f"k{one}: 1" for one in range(1000)) + "}\n"
    assert "merges more than" in fault(base + "b: [" + ", ".join(["{<<: *a}"] * 5_000) + "]\n")
    many = "- {<<: [" + ", ".join(["*a"] * 50) + "]}\n"
    assert "merges more than" in fault(base + "b:\n" + many * 5)


def test_messages_show_the_beginning_of_what_was_written() -> None:
    long = "k" * 5_000
    for text in (f"{long}: 1\n{long}: 2\n", f"a: !{long} x\n", f"a: !!{long} x\n", f"a: *{long}\n"):
        assert len(fault(text)) < 700


_SCALAR = st.one_of(
    st.lists(st.sampled_from([":30", ":5", "_", "0", "9", ".", "e+9", "+", "-", "0x", "f", "0b1", " ", "T", "Z", "~"])),
    st.tuples(st.sampled_from(["1", "0x", "0b", "1.", "-", "2026-01-31 1:2:3.", ".inf", "~"]),
              st.sampled_from([":30", "_", "1", "f", "0", ":59.5"]).map(lambda one: one * 2_000)),
).map("".join)  # fmt: skip


@given(_SCALAR, st.sampled_from(["", "!!int ", "!!float ", "!!timestamp ", "!!bool ", "!!null ", "!!binary "]))
@settings(max_examples=300)
def test_whatever_a_plain_text_reads_as_is_small(text: str, tag: str) -> None:
    node = None
    with contextlib.suppress(BlueprintError):
        [node] = load(f"- {tag}{text}\n- 0\n", "f.yaml")
    if node is None:
        assert len(fault(f"- {tag}{text}\n- 0\n")) < 400
        return
    assert isinstance(node, Items)
    for inner in walk(node):
        if isinstance(inner, Plain) and isinstance(inner.value, int):
            assert inner.value.bit_length() < 8 * MAX_SCALAR
            assert str(inner.value)


def test_empty_documents_are_left_out() -> None:
    assert load("---\n---\n# nothing\n", "f.yaml") == []
    assert len(load("---\na: 1\n---\n---\nb: 2\n", "f.yaml")) == 2


_KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs", "Cc"]), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_JSON)
@settings(max_examples=150)
def test_plain_data_survives_a_round_trip(data: object) -> None:
    documents = load(yaml.safe_dump(data, allow_unicode=True), "f.yaml")
    assert [plain(node) for node in documents] == ([] if data is None else [data])


_FRAGMENTS = st.sampled_from(
    [
        "version: 1\n", "entries:\n", "  - model: a.b\n", "    id: x\n", "    identifiers: {name: x}\n", "!Env ", "!Find [",
        "!KeyOf x", "!Enumerate [", "!Value 0", "!If [", "]", "[", "{", "}", "&a ", "*a", "<<: ", "- ", ": ", "\n", "  ",
        "'", '"', "|\n", "kind: ConfigMap\n", "apiVersion: v1\n", "data:\n", "  a.yaml: |\n", "    version: 1\n", "---\n",
        "!!binary ", "\t", "\ufeff", "\x85", "#", "!Format ['%s', ", "!ParseJSON '{}'", "0x", "1:30", "=", "~", "stringData: ",
    ]
)  # fmt: skip


@given(st.lists(_FRAGMENTS | st.text(max_size=4), max_size=25).map("".join))
@settings(max_examples=400)
def test_no_text_raises_anything_but_a_blueprint_error(text: str) -> None:
    with contextlib.suppress(BlueprintError):
        for node in load(text, "f.yaml"):
            assert all(inner.position.line >= 1 for inner in walk(node))
    read_file(text.encode("utf-8", "replace"), path="f.yaml")


@given(st.binary(max_size=60))
@settings(max_examples=200)
def test_no_bytes_raise_anything(data: bytes) -> None:
    loaded = read_file(data, path="f.yaml")
    assert loaded.blueprints or loaded.errors or loaded.notices
