"""What must hold for any input."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from resource_kinds import FULL, Lamp

from ostiary.proto.duration import parse_duration
from ostiary.resource import InvalidResource
from ostiary.resource.codec import decode, encode_canonical
from ostiary.resource.json_checks import require_json
from ostiary.resource.timestamp import format_timestamp, parse_timestamp
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.documents import open_body, round_trip, same, seal_body

SEALER = Sealer(Secret("key"))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes() | st.dates(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=10,
)
LAMPS = st.fixed_dictionaries(
    {"name": TEXT.filter(bool), "slug": st.from_regex(r"[-a-z0-9_]+", fullmatch=True), "addresses": st.just([])},
    optional={
        "colour": st.sampled_from(["off", "red", "green"]),
        "grade": st.integers(1, 3),
        "level": st.none() | st.integers(0, 50),
        "weight": st.floats(0, 2**53),
        "on": st.booleans(),
        "extra": st.dictionaries(TEXT, JSON, max_size=4),
        "room": st.none() | st.uuids().map(str),
        "owners": st.lists(st.integers(1, 99), max_size=3),
        "made": st.none() | st.datetimes(),
        "main": st.none() | st.fixed_dictionaries({"url": TEXT.filter(bool), "password": TEXT}),
        "secret": TEXT,
        "codes": st.lists(TEXT, max_size=3),
    },
)


@given(LAMPS)
def test_documents_round_trip(raw: dict[str, Any]) -> None:
    kind = Lamp.KIND
    values = round_trip(kind, kind.parse(raw))
    assert same(kind, values, kind.parse(raw))
    body = decode(encode_canonical(seal_body(kind, "x", values, SEALER)))
    opened = open_body(kind, "x", body, schema=kind.schema, sealer=SEALER)  # type: ignore[arg-type]
    assert opened == values
    assert round_trip(kind, opened) == opened
    wire = {name: field.wire(values[name]) for name, field in kind.fields.items() if field.sealed is None}
    wire.pop("main")  # its password is write-only
    again = kind.parse(json.loads(json.dumps(wire)), current=values)
    assert same(kind, again, values)


@given(st.dictionaries(st.sampled_from(list(FULL)), ANYTHING))
def test_parse_raises_only_what_it_says(raw: dict[str, Any]) -> None:
    try:
        values = Lamp.KIND.parse({**FULL, **raw})
    except InvalidResource as error:
        assert {problem.field for problem in error.problems} <= set(FULL)  # noqa: PT017
    else:
        round_trip(Lamp.KIND, values)


@given(ANYTHING)
def test_check_json_gives_what_json_keeps(value: Any) -> None:
    try:
        checked = require_json(value)
    except ValueError:
        return
    assert decode(encode_canonical(checked)) == checked


@given(st.text())
def test_parse_duration_never_breaks(text: str) -> None:
    try:
        microseconds = parse_duration(text)
    except ValueError as error:
        assert "expected a duration" in str(error)  # noqa: PT017
    else:
        assert abs(microseconds) <= 100 * 366 * 86_400_000_000


@given(
    st.lists(
        st.tuples(st.sampled_from(["weeks", "days", "hours", "minutes", "seconds"]), st.integers(-99, 99)), min_size=1
    )
)
def test_parse_duration_sums(pairs: list[tuple[str, int]]) -> None:
    seconds = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
    text = ";".join(f"{unit}={number}" for unit, number in pairs)
    assert parse_duration(text) == sum(seconds[unit] * number for unit, number in pairs) * 1_000_000


@given(st.datetimes())
def test_timestamps_round_trip(moment: Any) -> None:
    microseconds = parse_timestamp(moment)
    assert parse_timestamp(format_timestamp(microseconds)) == microseconds


@pytest.mark.parametrize("text", ["", "hours", "hours=x", "years=1", "weeks=1e9", "hours=nan", "hours=inf"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)
