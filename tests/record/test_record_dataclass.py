"""Records behave as the standard library's dataclasses do: the same classes, made by both, are compared."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest

from ostiary import record

Maker = Callable[..., Any]


def point(make: Maker) -> Any:
    @make(frozen=True, slots=True)
    class Point:
        """Two numbers."""

        KIND: ClassVar[str] = "point"
        x: int
        y: int = 2
        _factory: list[int] = dataclasses.field(default_factory=list)
        note: str = dataclasses.field(default="", repr=False, compare=False)
        made: str = dataclasses.field(default="by itself", init=False)

    return Point


def family(make: Maker) -> Any:
    @make(frozen=True, kw_only=True)
    class Base:
        """What is inherited."""

        name: str = "base"

    @make(frozen=True, kw_only=True)
    class Child(Base):
        """What inherits, and may have a required field after one with a default."""

        age: int

        def __post_init__(self) -> None:
            if self.age < 0:
                raise ValueError("age")

    return Child


def changing(make: Maker) -> Any:
    @make(slots=True)
    class Box:
        """A record that may be changed, and so has no hash."""

        inside: object = None

    return Box


def own(make: Maker) -> Any:
    @make(frozen=True)
    class Own:  # noqa: PLW1641 - the maker adds a hash
        """A record with methods of its own."""

        value: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and other.value.lower() == self.value.lower()

        def __repr__(self) -> str:
            return "mine"

    return Own


def nothing(make: Maker) -> Any:
    @make(frozen=True, slots=True, eq=False)
    class Nothing:
        """No fields, and no equality but identity."""

    return Nothing


def both(shape: Callable[[Maker], Any]) -> tuple[Any, Any]:
    return shape(record.dataclass), shape(dataclasses.dataclass)


def told(work: Callable[[], object]) -> str:
    """What comes out, as a text, an error too."""
    try:
        return repr(work())
    except (TypeError, ValueError, AttributeError) as error:
        return f"{type(error).__name__}: {str(error).split('.')[-1]}"


CALLS: dict[str, Callable[[Any], object]] = {
    "positions": lambda made: made(1, 3),
    "names": lambda made: made(x=1, y=3, note="n"),
    "missing": lambda made: made(),
    "unknown": lambda made: made(1, z=1),
    "a field that is not given": lambda made: made(1).made,
    "a default made anew": lambda made: made(1)._factory is made(1)._factory,
    "equal": lambda made: made(1, note="a") == made(1, note="b"),
    "different": lambda made: made(1) == made(2),
    "another class": lambda made: made(1) == (1, 2),
    "setting": lambda made: setattr(made(1), "x", 2),
    "deleting": lambda made: delattr(made(1), "x"),
    "replacing": lambda made: dataclasses.replace(made(1), y=9),
    "as a dictionary": lambda made: dataclasses.asdict(made(1)),
    "matching": lambda made: made.__match_args__,
    "slots": lambda made: made.__slots__,
    "annotations": lambda made: made.__init__.__annotations__,
    "fields": lambda made: [field.name for field in dataclasses.fields(made)],
    "copying": lambda made: copy.copy(made(1, 5)),
    "copying deeply": lambda made: copy.deepcopy(made(1, 5)),
    "no hash with a list inside": lambda made: hash(made(1)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_frozen_record_is_the_standard_one(call: Callable[[Any], object]) -> None:
    ours, theirs = both(point)
    assert told(lambda: call(ours)) == told(lambda: call(theirs))


@pytest.mark.parametrize("shape", [family, changing, own])
def test_other_shapes_are_the_standard_ones(shape: Callable[[Maker], Any]) -> None:
    ours, theirs = both(shape)
    words: dict[str, object] = {"age": 3} if shape is family else {"value": "A"} if shape is own else {}
    for ask in (
        lambda made: made(**words),
        lambda made: made(**words) == made(**words),
        lambda made: hash(made(**words)) == hash(made(**words)),
        lambda made: made.__hash__ is None,
        lambda made: made(1),
        lambda made: made(age=-1),
        lambda made: setattr(made(**words), "value", "other"),
    ):
        assert _plain(told(partial(ask, ours))) == _plain(told(partial(ask, theirs)))


@pytest.mark.parametrize("shape", [point, family, own, nothing])
def test_what_is_no_field_cannot_be_set_either(shape: Callable[[Maker], Any]) -> None:
    made = shape(record.dataclass)
    words: dict[Any, dict[str, Any]] = {point: {"x": 1}, family: {"age": 3}, own: {"value": "A"}}
    item = made(**words.get(shape, {}))
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'elsewhere'"):
        item.elsewhere = 1
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'elsewhere'"):
        del item.elsewhere


def _plain(text: str) -> str:
    return text.partition(" object at ")[0]


def test_equal_records_have_one_hash_and_a_record_with_one_field_is_not_its_value() -> None:
    made: Any = record.dataclass(frozen=True)(type("One", (), {"__annotations__": {"value": "int"}, "__doc__": "One."}))
    assert hash(made(1)) == hash(made(1))
    assert made(1) != 1
    assert {made(1), made(1)} == {made(1)}


def test_a_record_may_hold_itself() -> None:
    made = changing(record.dataclass)()
    made.inside = made
    assert repr(made).endswith("Box(inside=...)")


@record.dataclass(frozen=True, slots=True)
class Sent:
    """A record that can be found by its name, as pickle needs it."""

    value: int


def test_a_record_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Sent(3))) == Sent(3)  # noqa: S301 - our own


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_and_changing_records_do_not_inherit_from_each_other(frozen: bool) -> None:
    base: Any = record.dataclass(frozen=not frozen)(type("Base", (), {"__doc__": "A base."}))
    with pytest.raises(TypeError, match="cannot inherit"):
        record.dataclass(frozen=frozen)(type("Child", (base,), {"__doc__": "A child."}))


def test_a_record_without_fields_and_equality() -> None:
    made = nothing(record.dataclass)
    assert repr(made()).endswith("Nothing()")
    assert made() != made()
    assert len({made(), made()}) == 2


def test_without_parentheses() -> None:
    made: Any = record.dataclass(type("Plain", (), {"__annotations__": {"value": "int"}, "__doc__": "Plain."}))
    assert made(1).value == 1
