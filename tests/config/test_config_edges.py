"""The edges of a unit of work: rolling back, settling, notes, look-ups of checks, and secrets inside records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated, Any

import pytest
from config_kinds import KINDS, House, Person, Zone, create_tables, open_house

from ostiary.record import dataclass
from ostiary.resource import InvalidResource, Problem, Reading, Resource, Sealed, kind
from ostiary.resource.kind import Look
from ostiary.seal import Secret
from ostiary.store.configuration.documents import open_body, round_trip, seal_body
from ostiary.store.workspace.changes import Change
from ostiary.store.workspace.compare import matches


@dataclass(frozen=True, kw_only=True)
class Part:
    name: str = ""
    password: Annotated[Secret, Sealed(Reading.REVEALABLE)] = Secret("")


async def check_box(box: Box, look: Look) -> Iterable[Problem]:
    """Ask for the zone that is named, though it is no reference."""
    found = await look("test_zones.zone", box.zone)
    return [] if found is not None and found.name == "North" else [Problem("zone", "is not the north")]


@kind("test_core.box", verbose_name="Box", component="box-form", routes="boxes", check_with=check_box)
class Box(Resource):
    name: str
    zone: str
    parts: tuple[Part, ...] = ()
    main: Part | None = None


@pytest.fixture
async def boxes(sqlite_database: Any) -> House:
    await create_tables(sqlite_database)
    return await open_house(sqlite_database, kinds=(*KINDS, Box))


async def test_a_check_looks_at_other_objects_of_the_same_work(boxes: House) -> None:
    async def work(ws: Any) -> Any:
        zone = await ws.create("test_zones.zone", {"name": "North"})
        return await ws.create("test_core.box", {"name": "b", "zone": zone.pk})

    stored, _ = await boxes.edit(work)
    assert stored.values["name"] == "b"
    for zone in ("00000000-0000-4000-8000-000000000000", "nonsense"):
        with pytest.raises(InvalidResource, match="is not the north"):
            await boxes.edit(lambda ws, zone=zone: ws.create("test_core.box", {"name": "c", "zone": zone}))


async def test_secrets_inside_records_and_lists_come_back(boxes: House) -> None:
    values = Box.KIND.parse(
        {
            "name": "b",
            "zone": "z",
            "parts": [{"name": "one", "password": "p1"}, {"name": "two", "password": "p2"}],
            "main": {"name": "m", "password": "p3"},
        }
    )
    body = seal_body(Box.KIND, "pk", values, boxes.sealer)
    assert "p1" not in str(body)
    assert open_body(Box.KIND, "pk", body, schema=Box.KIND.schema, sealer=boxes.sealer) == values
    assert round_trip(Box.KIND, values) == values


async def test_work_is_rolled_back_to_where_it_was(small_house: House) -> None:
    async def work(ws: Any) -> Any:
        await ws.create("test_zones.zone", {"name": "kept"})
        before = ws.pending()
        await ws.create("test_zones.zone", {"name": "dropped"})
        ws.restore(before)

    await small_house.edit(work)
    assert [zone.name for zone in small_house.plane.snapshot.all(Zone)] == ["kept"]


async def test_what_turns_out_to_be_no_change_is_dropped(small_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, _ = await small_house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada", "data": {"p": 1}}))

    async def settle(change: Change) -> Change:
        assert change.after is not None
        return replace(change, after={**change.after, "data": {"p": 1}}) if change.after["data"] == {"p": 2} else change

    monkeypatch.setattr(small_house.rows, "settle", settle)

    async def work(ws: Any) -> Any:
        person = await ws.get("test_dir.person", stored.pk)
        await ws.update(person, {"data": {"p": 2}})
        await ws.create("test_zones.zone", {"name": "new"})
        await ws.settle()
        same = [change.label for change in ws.changes]
        await ws.update(person, {"data": {"p": 3}})
        await ws.settle()
        return same, [change.label for change in ws.changes]

    (same, other), _ = await small_house.edit(work)
    assert same == ["new"]
    assert sorted(other) == ["ada", "new"]


async def test_a_note_goes_with_its_change(small_house: House) -> None:
    async def work(ws: Any) -> Any:
        person = await ws.create("test_dir.person", {"username": "ada"})
        await ws.update(person, {"username": "eve"}, note="why")

    await small_house.edit(work)
    assert [change.note for change in small_house.rows.prepared] == ["why"]


@pytest.mark.parametrize("how", ["contains", "gt", "startswith", "iexact"])
def test_nothing_is_like_what_is_not_there(how: str) -> None:
    field = Person.KIND.fields["username"]
    assert not matches(how, field, None, "a")
    assert not matches(how, field, "a", None)
