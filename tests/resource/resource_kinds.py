"""Sample kinds that use every mark and every shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Literal, Optional

from ostiary.record import dataclass
from ostiary.resource import (
    BLUEPRINT_ONLY,
    CASELESS,
    DURATION,
    MULTILINE,
    READ_ONLY,
    SLUG,
    TIMESTAMP,
    UNIQUE,
    Help,
    Length,
    Numbering,
    OnDelete,
    Pattern,
    Plane,
    Problem,
    Range,
    Reading,
    Reference,
    Resource,
    Sealed,
    kind,
)
from ostiary.seal import Secret


@dataclass(frozen=True, kw_only=True)
class Address:
    """A nested record with a secret of its own."""

    url: Annotated[str, Length(1, 40)]
    mode: Literal["strict", "regex"] = "strict"
    password: Annotated[Secret, Sealed(Reading.WRITE_ONLY)] = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, kw_only=True)
class Thing(Resource):
    """The base of a family."""

    name: Annotated[str, UNIQUE, CASELESS, Length(1, 30), Help("What people call it.")]


def check_lamp(lamp: Lamp) -> Iterable[Problem]:
    if lamp.level is not None and lamp.level > 50 and lamp.colour == "off":
        yield Problem("level", "a lamp that is off has no level")
        yield Problem("", "choose a colour or a level")


@kind(
    "test_things.lamp",
    verbose_name="Lamp",
    component="ak-lamp-form",
    routes="things/lamps",
    families=("test_things.thing",),
    unique_together=(("room", "level"),),
    lookup_field="slug",
    ignored=("old_name",),
    check=check_lamp,
)
class Lamp(Thing):
    """Every mark and shape in one."""

    slug: Annotated[str, SLUG, UNIQUE]
    addresses: Annotated[tuple[Address, ...], Length(0, 3)]
    colour: Literal["off", "red", "green"] = "off"
    grade: Literal[1, 2, 3] = 2
    level: Annotated[int | None, Range(0, 100)] = None
    weight: Annotated[float, Range(least=0)] = 1.5
    on: bool = True
    extra: Mapping[str, object] = field(default_factory=dict)
    room: Annotated[str | None, Reference("test_things.room", OnDelete.SET_NULL)] = None
    owners: Annotated[tuple[int, ...], Reference("test_people.person")] = ()
    hint: Annotated[str, Help("Shown to people."), MULTILINE] = ""
    lasts: Annotated[str, DURATION] = "hours=1"
    code: Annotated[str, Pattern(r"[0-9]{4}", "four digits")] = "0000"
    made: Annotated[int | None, TIMESTAMP] = None
    seen: Annotated[int | None, READ_ONLY, TIMESTAMP] = None
    main: Optional[Address] = None  # noqa: UP045 - the other spelling of a union
    managed: Annotated[str | None, BLUEPRINT_ONLY] = None
    secret: Annotated[Secret, Sealed(Reading.REVEALABLE), Length(0, 20)] = Secret("")
    key_data: Annotated[Secret | None, Sealed(Reading.KEY_MATERIAL)] = None
    tags: Annotated[tuple[str, ...], Length(1, 3)] = ("a",)
    codes: Annotated[tuple[Secret, ...], Sealed(Reading.WRITE_ONLY)] = ()


@kind(
    "test_things.room",
    verbose_name="Room",
    plural="Rooms of the house",
    component="ak-room-form",
    routes="things/rooms",
)
class Room(Resource):
    """The simplest kind."""

    name: str


@kind(
    "test_people.person",
    verbose_name="Person",
    component="ak-person-form",
    routes="people",
    plane=Plane.DIRECTORY,
    numbering=Numbering.INTEGER,
    schema=3,
    upcasters={1: lambda body: {**body, "name": body["title"]}, 2: lambda body: {**body, "age": 7}},
)
class Person(Resource):
    """A kind with a history."""

    name: str
    age: int = 0


FULL: dict[str, object] = {
    "name": "Desk lamp",
    "slug": "desk-lamp",
    "addresses": [
        {"url": "https://a.example", "mode": "regex", "password": "p4ss"},
        {"url": "https://b.example"},
    ],
    "colour": "red",
    "grade": "3",
    "level": "40",
    "weight": 2,
    "on": "yes",
    "extra": {"list": [1, 2.5, None, True, {"deep": "x"}], "tuple": (1, 2)},
    "room": "room-1",
    "owners": [1, "2"],
    "hint": "line 1\nline 2",
    "lasts": "days=1;hours=2.5",
    "code": 1234,
    "made": "2026-01-31T12:00:00+02:00",
    "seen": "ignored",
    "main": {"url": "https://main.example", "password": "m41n"},
    "managed": "goauthentik.io/lamp",
    "secret": "s3cret",
    "key_data": "k3y",
    "tags": ["x", 5],
    "codes": ["one", "two"],
    "unknown": "ignored",
}
