"""Fields: what each shape takes, refuses and says, and how values are spelled."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest
from resource_kinds import FULL, Address, Lamp

from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.resource import Choices, Pattern
from ostiary.resource.annotation import record_fields
from ostiary.resource.field import Field
from ostiary.resource.immutable_json import ImmutableList, ImmutableMapping, freeze, thaw
from ostiary.resource.json_checks import name_of, require_json
from ostiary.resource.schema import field_schema
from ostiary.resource.timestamp import format_timestamp, parse_timestamp
from ostiary.seal import Secret


def field(name: str) -> Field:
    return Lamp.KIND.fields[name]


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("name", 5, "5"),
        ("name", 1.5, "1.5"),
        ("secret", Secret("kept"), Secret("kept")),
        ("level", " 7 ", 7),
        ("level", "7.0", 7),
        ("level", 7.0, 7),
        ("weight", "2.5", 2.5),
        ("weight", "2", 2.0),
        ("on", "FALSE", False),
        ("on", 1, True),
        ("on", "off", False),
        ("grade", 1, 1),
        ("grade", "1", 1),
        ("room", "", None),
        ("room", 5, 5),
        ("made", 5, 5),
        ("lasts", "minutes=-5", "minutes=-5"),
        ("main", None, None),
    ],
)
def test_takes(name: str, raw: object, value: object) -> None:
    parsed = field(name).parse(raw)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("name", None, "must not be null, expected a text"),
        ("name", True, "expected a text, not true/false"),
        ("name", ["x"], "expected a text, not a list"),
        ("name", {}, "expected a text, not a mapping"),
        ("name", "a\0b", "NUL"),
        ("name", "\ud800", "valid Unicode"),
        ("name", "x" * 31, "at most 30 characters, not 31"),
        ("slug", "no blanks", "expected letters, digits"),
        ("code", "12", "four digits"),
        ("lasts", "tomorrow", "expected a duration"),
        ("colour", "blue", "one of off, red, green"),
        ("grade", True, "one of 1, 2, 3"),
        ("level", "seven", "expected a whole number, not a text"),
        ("level", 7.5, "expected a whole number"),
        ("level", "7" * 50, "expected a whole number"),
        ("level", True, "not true/false"),
        ("level", math.inf, "expected a whole number"),
        ("weight", math.nan, "expected a number"),
        ("weight", -1, "expected a number from 0 to"),
        ("weight", 10**400, "expected a number from 0 to"),
        ("on", "perhaps", "expected true or false"),
        ("on", 2, "expected true or false"),
        ("on", 1.0, "expected true or false"),
        ("extra", "x", "expected a mapping"),
        ("extra", {1: 2}, "keys must be texts, not a number"),
        ("extra", {"x": b"y"}, "cannot hold bytes"),
        ("extra", {"x": math.nan}, "JSON cannot keep"),
        ("extra", {"x": 2**63}, "JSON cannot keep"),
        ("extra", {"x\0": 1}, "NUL"),
        ("room", True, "primary key of an existing test_things.room"),
        ("made", "soon", "expected a time"),
        ("made", 10**30, "expected a time"),
        ("made", None.__class__, "expected a time"),
        ("main", "x", "expected a mapping with url, mode, password, not a text"),
        ("main", {"url": ""}, "url: must not be empty"),
        ("addresses", "x", "expected a list of a mapping with"),
        ("addresses", {}, "expected a list of"),
        ("addresses", [{"url": "x"}] * 4, "at most 3 items, not 4"),
        ("tags", [], "must not be empty"),
        ("tags", [None], "item 0: expected a text, not null"),
    ],
)
def test_refuses(name: str, raw: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        field(name).parse(raw)


def test_at_least() -> None:
    from dataclasses import replace

    from ostiary.resource import Length

    with pytest.raises(ValueError, match="at least 2 characters"):
        replace(field("name"), length=Length(2)).parse("x")


def test_expectations_are_words() -> None:
    said = {name: item.expectation() for name, item in Lamp.KIND.fields.items()}
    assert said["made"] == "a time such as 2026-01-31T12:00:00Z"
    assert said["lasts"] == 'a duration such as "hours=1;minutes=30"'
    assert said["weight"] == "a number"
    assert said["owners"] == "the primary key of an existing test_people.person"


def test_spellings_of_secrets() -> None:
    secret, key, codes, main = field("secret"), field("key_data"), field("codes"), field("main")
    value = Address(url="u", password=Secret("p4ss"))
    assert (secret.wire(Secret("x")), secret.masked(Secret("x")), secret.clear(Secret("x"))) == ("x", "********", "x")
    assert (key.wire(Secret("x")), key.masked(None)) == ("********", None)
    assert codes.wire((Secret("x"), Secret("y"))) == ["********", "********"]
    assert codes.clear((Secret("x"),)) == ["x"]
    assert main.wire(value) == main.masked(value) == {"url": "u", "mode": "strict", "password": "********"}
    assert main.clear(value) == {"url": "u", "mode": "strict", "password": "p4ss"}
    assert main.dump(value) == {"url": "u", "mode": "strict", "password": Secret("p4ss")}
    assert main.load({"url": "u", "gone": 1}) == Address(url="u")
    assert main.load("odd") == "odd"
    assert field("made").wire(0) == "1970-01-01T00:00:00.000000Z"
    assert field("tags").item("x") == "x"


def test_timestamps() -> None:
    assert parse_timestamp("1970-01-01T00:00:01") == 1_000_000
    assert parse_timestamp(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0
    assert parse_timestamp(date(1970, 1, 2)) == 86_400_000_000
    assert format_timestamp(parse_timestamp(datetime.min.replace(tzinfo=UTC))) == "0001-01-01T00:00:00.000000Z"
    assert format_timestamp(parse_timestamp("9999-12-31T23:59:59.999999Z")) == "9999-12-31T23:59:59.999999Z"
    with pytest.raises(ValueError, match="expected a time"):
        parse_timestamp(True)


def test_json_bounds() -> None:
    deep: Any = []
    for _ in range(40):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        require_json(deep)
    wide: Any = ["x"] * 10
    for _ in range(6):
        wide = [wide] * 10  # what aliases in YAML make of a few lines
    with pytest.raises(ValueError, match="too large"):
        require_json(wide)
    assert name_of(None) == "null"
    assert name_of(FULL) == "a mapping"


def test_frozen_data() -> None:
    import copy
    import json

    frozen: Any = freeze({"a": [1, {"b": 2}], "c": "text"})
    assert isinstance(frozen, ImmutableMapping)
    assert isinstance(frozen["a"], ImmutableList)
    assert frozen == {"a": [1, {"b": 2}], "c": "text"}
    assert json.loads(json.dumps(frozen)) == frozen
    changes: tuple[Callable[[], object], ...] = (
        lambda: frozen.update(x=1),
        lambda: frozen.pop("a"),
        lambda: frozen.__delitem__("a"),
        lambda: frozen["a"].append(1),
        lambda: frozen["a"].__setitem__(0, 1),
        lambda: frozen["a"][1].setdefault("x", 1),
    )
    for change in changes:
        with pytest.raises(TypeError, match="shared"):
            change()
    plain: Any
    for plain in (copy.deepcopy(frozen), thaw(frozen)):
        plain["a"][1]["b"] = 3
        plain["a"].append(4)
    assert copy.deepcopy(frozen["a"]) == [1, {"b": 2}]
    assert frozen["a"] == [1, {"b": 2}]


def test_a_record_has_no_unknown_members() -> None:
    uris = OAuth2Provider.KIND.fields["redirect_uris"]
    written = {"matching_mode": "strict", "url": "https://a.example/out", "redirect_uri_type": "logout", "x": 1}
    with pytest.raises(
        ValueError, match=r"^item 0: unknown redirect_uri_type, x, expected a mapping with matching_mode, url$"
    ):
        uris.parse([written])


@dataclass(frozen=True, kw_only=True)
class Key:
    """A choice that is open for others."""

    made_of: Annotated[
        tuple[str, ...], Choices(("iron", "brass")), Pattern(r"[a-z]+\.[a-z]+", "a metal of another smith")
    ] = ("iron",)


def test_a_choice_may_be_open_for_others() -> None:
    made_of = record_fields(Key)["made_of"]
    assert made_of.parse(["brass", "elves.mithril"]) == ("brass", "elves.mithril")
    for wrong in ("bras", "elves.mithril.x", "", 1, None, True):
        with pytest.raises(ValueError, match="expected one of iron, brass, or a metal of another smith"):
            made_of.parse([wrong])
    listed, other = field_schema(made_of)["items"]["anyOf"]  # type: ignore[index]
    assert listed == {"enum": ["iron", "brass"]}
    assert re.fullmatch(other["pattern"], "elves.mithril")
    assert not re.fullmatch(other["pattern"], "elves.mithril.x")
