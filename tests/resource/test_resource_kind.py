"""Kinds: parsing, partial updates, schemas of other days, and the registry."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

import pytest
from resource_kinds import FULL, Address, Lamp, Person, Room, Thing

from ostiary.resource import InvalidResource, Problem, Registry, Resource, UnknownKind, kind
from ostiary.resource.codec import Record, changed, decode, encode, encode_canonical, reader
from ostiary.seal import Secret

HERE = Lamp.KIND


def test_parse_reads_every_shape() -> None:
    values = HERE.parse(FULL)
    lamp = HERE.make("lamp-1", values)
    assert lamp.addresses == (
        Address(url="https://a.example", mode="regex", password=Secret("p4ss")),
        Address(url="https://b.example"),
    )
    assert (lamp.grade, lamp.level, lamp.weight, lamp.on, lamp.code) == (3, 40, 2, True, "1234")
    assert lamp.made == 1_769_853_600_000_000
    assert lamp.seen is None
    assert lamp.owners == (1, "2")
    assert lamp.tags == ("x", "5")
    assert lamp.extra["tuple"] == [1, 2]
    assert HERE.values(lamp) == values
    assert lamp.KIND is HERE
    with pytest.raises(dataclasses.FrozenInstanceError):
        lamp.name = "other"


def test_storage_round_trip() -> None:
    values = HERE.parse({**FULL, "secret": "", "key_data": None, "codes": [], "addresses": [], "main": None})
    document = HERE.dump(values)
    document["secret"] = ""
    loaded = HERE.load(decode(encode(document)), HERE.schema)  # type: ignore[arg-type]
    assert {**loaded, "secret": Secret("")} == values


def test_all_problems_at_once() -> None:
    with pytest.raises(InvalidResource) as error:
        HERE.parse({"name": "", "level": 101, "addresses": [{"mode": "strict"}], "on": "perhaps", "room": 1.5})
    assert {problem.field: problem.message for problem in error.value.problems} == {
        "name": "must not be empty",
        "slug": "is required, expected a text",
        "addresses": "item 0: url: is required",
        "level": "expected a number from 0 to 100",
        "on": "expected true or false, not a text",
        "room": "expected the primary key of an existing test_things.room, not a number",
    }
    assert str(error.value).startswith("test_things.lamp: name: must not be empty; slug: is required")
    assert str(InvalidResource("a.b", [Problem("", "whole")])) == "a.b: whole"


def test_partial_update_keeps_the_rest() -> None:
    current = HERE.parse(FULL)
    updated = HERE.parse({"level": None, "seen": 5}, current=current)
    assert updated == {**current, "level": None}


def test_the_kinds_own_check() -> None:
    values = HERE.parse({**FULL, "level": 60, "colour": "off"})
    with pytest.raises(InvalidResource, match="has no level; choose a colour"):
        HERE.make("x", values)
    assert Room.KIND.make("x", {"name": "r"}) == Room(pk="x", name="r")


def test_load_of_earlier_schemas() -> None:
    item = Person.KIND
    assert item.load({"title": "Ada"}, 1) == {"name": "Ada", "age": 7}
    assert item.load({"name": "Ada"}, 2) == {"name": "Ada", "age": 7}
    assert item.load({"name": "Ada", "gone": 1}, 3) == {"name": "Ada", "age": 0}


def test_names() -> None:
    assert (HERE.app_label, HERE.model_name) == ("test_things", "lamp")
    assert repr(HERE) == "Kind(test_things.lamp)"
    assert HERE.verbose_name_plural == "Lamps"
    assert Room.KIND.verbose_name_plural == "Rooms of the house"
    assert HERE.permissions()[1] == "test_things.add_lamp"
    assert HERE.answers_to("test_things.lamp")
    assert HERE.answers_to("test_things.thing")
    assert not HERE.answers_to("test_things.room")


def test_registry() -> None:
    registry = Registry([Lamp, Room])
    assert [item.name for item in registry] == ["test_things.lamp", "test_things.room"]
    assert "test_things.lamp" in registry
    assert registry.get("test_things.room") is Room.KIND
    assert registry.family("test_things.thing") == (HERE,)
    assert registry.family("test_things.none") == ()
    with pytest.raises(UnknownKind):
        registry.get("test_things.none")
    with pytest.raises(ValueError, match="registered twice"):
        Registry([Lamp, Lamp])


def test_a_plain_base_class_is_refused() -> None:
    class Plain(Resource):
        name: str

    with pytest.raises(TypeError, match="Plain: the base of a family must be a frozen dataclass"):

        @kind("test.lost", verbose_name="Lost", component="x", routes="x")
        class Lost(Plain):
            other: str = ""

    assert dataclasses.is_dataclass(Thing)


def test_an_annotation_without_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="field odd: no shape"):

        @kind("test.odd", verbose_name="Odd", component="x", routes="x")
        class Odd(Resource):
            odd: complex

    with pytest.raises(TypeError, match="field odd: no shape"):

        @kind("test.odder", verbose_name="Odd", component="x", routes="x")
        class Odder(Resource):
            odd: Annotated[Any, "a mark of somebody else"]


def test_a_union_without_none_takes_its_first_part() -> None:
    @kind("test.union", verbose_name="Union", component="x", routes="x")
    class Union(Resource):
        value: Annotated[int | str, "other"] = 0

    field = Union.KIND.fields["value"]
    assert (field.nullable, field.parse("5")) == (False, 5)


def test_codec() -> None:
    assert encode({"b": 1, "a": [None, True, "ü"]}) == '{"b":1,"a":[null,true,"ü"]}'.encode()
    assert encode_canonical({"b": 1, "a": 2}) == '{"a":2,"b":1}'
    for bad in (b"{", b"\xff", "[" * 100_000):
        with pytest.raises(ValueError, match="not valid JSON"):
            decode(bad)


class Note(Record, frozen=True):
    text: str = ""
    number: int = 0


def test_a_record_is_changed_by_another_one() -> None:
    note = Note("a", 1)
    assert changed(note, number=2) == Note("a", 2)
    assert note == Note("a", 1)
    assert reader(Note)(encode(note)) == note
