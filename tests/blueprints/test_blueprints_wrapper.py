"""ConfigMaps and Secrets: what they carry, and that errors name lines of the wrapper itself."""

from __future__ import annotations

import base64
from textwrap import dedent

import pytest

from ostiary.blueprints.text.wrapper import Loaded, read_file

INNER = "version: 1\nentries:\n  - model: a.b\n    identifiers: {name: !Wrong x}\n"


def wrapped(text: str) -> Loaded:
    return read_file(dedent(text).encode(), path="w.yaml")


def errors(loaded: Loaded) -> list[str]:
    return [str(error) for _, error in loaded.errors]


def test_each_key_of_a_configmap_is_a_blueprint() -> None:
    loaded = wrapped("""\
        apiVersion: v1
        kind: ConfigMap
        data:
          one.yaml: |
            version: 1
            metadata: {name: One}
            entries: []
          two.yaml: |-

            # a comment first
            version: 1
            entries:
              - model: a.b
                identifiers: {name: x}
          notes.txt: nothing
          old.yml: "version: 1"
        """)
    assert [(one.path, one.name) for one in loaded.blueprints] == [
        ("w.yaml#one.yaml", "One"),
        ("w.yaml#two.yaml", "w.yaml#two.yaml"),
    ]
    assert str(loaded.blueprints[1].entries[0].position) == "w.yaml:13:9"
    assert not loaded.errors
    assert loaded.notices == (
        "w.yaml:15:3: notes.txt does not end in .yaml, skipped",
        "w.yaml:16:3: old.yml does not end in .yaml, skipped",
    )


def test_a_bad_key_does_not_spoil_the_others() -> None:
    loaded = wrapped("""\
        apiVersion: v1
        kind: ConfigMap
        data:
          good.yaml: |
            version: 1
            entries: []
          bad.yaml: |
            version: 1
            entries:
              - model: a.b
                identifiers: {name: !Wrong x}
          broken.yaml: |
            version: 1
            entries: [
          second.yaml: |
            version: 2
            entries: []
          double.yaml: |
            a: 1
            a: 2
        """)
    assert [one.path for one in loaded.blueprints] == ["w.yaml#good.yaml"]
    assert [text.partition(",")[0] for text in errors(loaded)] == [
        "w.yaml:11:29: unknown tag !Wrong",
        "w.yaml:14:15: not valid YAML: did not find expected node content",
        "w.yaml:16:14: version: expected 1",
        "w.yaml:20:5: the key 'a' is already set in line 19",
    ]


def test_explicit_indentation_and_windows_line_ends() -> None:
    text = (
        "apiVersion: v1\r\nkind: ConfigMap\r\ndata:\r\n  a.yaml: |2\r\n    version: 1\r\n    entries: {x: !Wrong y}\r\n"
    )
    [error] = errors(read_file(text.encode(), path="w.yaml"))
    assert error.startswith("w.yaml:6:18: unknown tag !Wrong")


@pytest.mark.parametrize("part", ["data: ", "binaryData: "])
def test_base64_names_the_key_and_the_line_inside(part: str) -> None:
    kind = "Secret" if part == "data: " else "ConfigMap"
    encoded = base64.b64encode(INNER.encode()).decode()
    [error] = errors(read_file(f"apiVersion: v1\nkind: {kind}\n{part}\n  a.yaml: {encoded}\n".encode(), path="w.yaml"))
    assert error.startswith(f"w.yaml:4:11 (line 4 of {part[:-2]}.a.yaml): unknown tag !Wrong")


@pytest.mark.parametrize("style", ['"{}"', ">\n    {}", "|\n    {}"])
def test_quoted_and_folded_texts(style: str) -> None:
    text = (
        "version: 1\\nentries: {x: !Wrong y}\\n"
        if style.startswith('"')
        else "version: 1\n\n    entries: {x: !Wrong y}"
    )
    [error] = errors(
        read_file(f"apiVersion: v1\nkind: ConfigMap\ndata:\n  a.yaml: {style.format(text)}\n".encode(), path="w.yaml")
    )
    assert "unknown tag !Wrong" in error
    place = "w.yaml:7:18: " if style.startswith("|") else "w.yaml:4:11 (line 2 of data.a.yaml): "
    assert error.startswith(place)


def test_secrets_carry_plain_and_encoded_texts() -> None:
    plain = "version: 1\nmetadata: {name: Plain}\nentries: []\n"
    encoded = base64.b64encode(plain.replace("Plain", "Encoded").encode()).decode()
    text = f"apiVersion: v1\nkind: Secret\ndata:\n  b.yaml: {encoded}\n  a.yaml: {encoded}\nstringData:\n  a.yaml: |\n"
    text += "".join(f"    {line}\n" for line in plain.splitlines())
    loaded = read_file(text.encode(), path="w.yaml")
    assert {one.path: one.name for one in loaded.blueprints} == {"w.yaml#b.yaml": "Encoded", "w.yaml#a.yaml": "Plain"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("kind: Secret\ndata:\n  a.yaml: '%%%'\n", "w.yaml:4:11: data.a.yaml: expected base64"),
        ("kind: Secret\ndata:\n  a.yaml: /w==\n", "w.yaml:4:11: data.a.yaml: is not UTF-8 text"),
        ("kind: ConfigMap\ndata: [1]\n", "w.yaml:3:7: data: expected a mapping of file names to texts in a ConfigMap"),
        ("kind: ConfigMap\ndata:\n  a.yaml: 5\n", "w.yaml:4:11: data.a.yaml: expected a text"),
        ("kind: ConfigMap\ndata:\n  a.yaml: ''\n", "w.yaml:4:11: a.yaml: expected one blueprint, found 0"),
        ("kind: ConfigMap\ndata:\n  a.yaml: |\n    a: 1\n    ---\n    b: 2\n", "w.yaml:4:11: a.yaml: expected one blueprint, found 2"),
    ],
)  # fmt: skip
def test_wrappers_that_hold_something_else(body: str, expected: str) -> None:
    assert errors(read_file(f"apiVersion: v1\n{body}".encode(), path="w.yaml")) == [expected]


def test_several_documents_in_one_file() -> None:
    loaded = wrapped("""\
        ---
        version: 1
        entries: []
        ---
        apiVersion: v1
        kind: ConfigMap
        data:
          a.yaml: |
            version: 1
            entries: []
        ---
        apiVersion: apps/v1
        kind: Deployment
        spec: {}
        """)
    assert [one.path for one in loaded.blueprints] == ["w.yaml#1", "w.yaml#a.yaml"]
    assert loaded.notices == ("w.yaml:12:1: kind Deployment holds no blueprints, skipped",)


def test_hashes_are_of_the_blueprint_not_of_the_wrapper() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\ndata:\n  a.yaml: |\n    version: 1\n    entries: []\n  b.yaml: |\n    version: 1\n"
    first = read_file(text.encode(), path="w").blueprints
    second = read_file((text + "    entries: []\n").encode(), path="w").blueprints
    assert first[0].digest == second[0].digest
    assert first[1].digest != second[1].digest
    assert len(first[0].digest) == 128


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "w.yaml:1:1: is empty, expected a blueprint"),
        ("[1]", "w.yaml:1:1: is not a blueprint, expected a mapping with version and entries"),
        ("version: '1'\nentries: []", "w.yaml:1:10: version: expected 1"),
        ("version: true\nentries: []", "w.yaml:1:10: version: expected 1"),
        ("version: 1\nmetadata: x", "w.yaml:2:11: metadata: expected a mapping with name and labels"),
        ("version: 1\nmetadata: {labels: {}}", "w.yaml:2:11: metadata.name: expected a text"),
        ("version: 1\nmetadata: {name: x, labels: [1]}", "w.yaml:2:29: metadata.labels: expected a mapping of texts"),
        ("version: 1\ncontext: [1]", "w.yaml:2:10: context: expected a mapping"),
        ("version: 1\nentries: 5", "w.yaml:2:10: entries: expected a list of entries, or sections of them"),
        ("version: 1\nentries: {a: 5}", "w.yaml:2:14: entries.a: expected a list of entries"),
        ("version: 1\nentries: [5]", "w.yaml:2:11: entry 1: expected a mapping with model and identifiers"),
        (
            "version: 1\nentries: [{id: x}]",
            "w.yaml:2:11: entry 1: model: expected a model such as authentik_core.group",
        ),
        ("version: 1\nentries: [{model: a, id: [1]}]", "w.yaml:2:26: entry 1: id: expected a text"),
        ("version: 1\nentries: [{model: a, conditions: x}]", "w.yaml:2:34: entry 1: conditions: expected a list"),
        (
            "version: 1\nentries: [{model: a, id: b, attrs: {x: !KeyOf c}}]",
            'w.yaml:2:40: entry 1 "b" (a): !KeyOf c: expected the id of an entry before this one',
        ),
    ],
)
def test_what_is_no_blueprint(text: str, expected: str) -> None:
    assert errors(read_file(text.encode(), path="w.yaml")) == [expected]


def test_sections_keep_their_order_and_unknown_keys_are_named() -> None:
    loaded = wrapped("""\
        version: 1
        entries:
          later:
            - model: a.b
              id: one
          earlier:
            - model: a.b
              id: two
              note: hello
        """)
    assert [(one.index, one.id) for one in loaded.blueprints[0].entries] == [(1, "one"), (2, "two")]
    assert loaded.blueprints[0].notices == ('w.yaml:7:7: entry 2 "two" (a.b): unknown key note is ignored',)
