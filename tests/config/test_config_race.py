"""Commits in a race, from two processes over one database: the second is validated again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from config_kinds import House, Person, Rule, Zone, open_house

from ostiary.resource import InvalidResource
from ostiary.store.database import Conflict
from ostiary.store.workspace.editor import Referenced


async def test_a_stale_workspace_conflicts(house: House) -> None:
    one, two = await house.editor.open(), await house.editor.open()
    await one.create("test_zones.zone", {"name": "A"})
    await two.create("test_zones.zone", {"name": "B"})
    assert (await one.commit(author="a", message="", now=1)) is not None
    with pytest.raises(Conflict, match="changed by somebody else"):
        await two.commit(author="b", message="", now=1)
    await house.plane.refresh()
    assert [zone.name for zone in house.plane.snapshot.all(Zone)] == ["A"]


async def test_the_second_of_two_is_validated_again(house: House) -> None:
    other = await open_house(house.database)
    started = asyncio.Barrier(2)
    runs = 0

    async def work(ws: Any) -> Any:
        nonlocal runs
        runs += 1
        made = await ws.create("test_zones.zone", {"name": "the one"})
        if runs <= 2:
            await started.wait()  # both have validated on the same state before either commits
        return made

    results = await asyncio.gather(house.edit(work), other.edit(work), return_exceptions=True)
    failures = [one for one in results if isinstance(one, BaseException)]
    assert runs == 3
    assert [type(one) for one in failures] == [InvalidResource]
    assert "already used" in str(failures[0])
    await house.plane.refresh()
    assert len(house.plane.snapshot.all(Zone)) == 1


async def test_many_writers_all_arrive(house: House) -> None:
    houses = [house, await open_house(house.database), await open_house(house.database)]

    async def add(index: int) -> None:
        await houses[index % 3].edit(lambda ws: ws.create("test_zones.zone", {"name": f"zone {index}"}))

    await asyncio.gather(*(add(index) for index in range(9)))
    for one in houses:
        await one.plane.refresh()
        assert len(one.plane.snapshot.all(Zone)) == 9
        assert one.plane.snapshot.number == 9
    assert [one.number for one in await house.plane.revisions()] == list(range(9, 0, -1))
    assert [one.number for one in await house.plane.revisions(limit=2, before=5)] == [4, 3]


async def test_binding_a_person_who_is_deleted_meanwhile(house: House) -> None:
    """An edge to a directory row and the deletion of the row never both succeed."""
    other = await open_house(house.database)
    ada, _ = await house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada"}))
    zone, _ = await house.edit(lambda ws: ws.create("test_zones.zone", {"name": "North"}))
    await other.plane.refresh()
    started = asyncio.Barrier(2)
    met = 0

    async def meet() -> None:
        nonlocal met
        met += 1
        if met <= 2:
            await started.wait()

    async def bind(ws: Any) -> None:
        await ws.create("test_rules.rule", {"target": zone.pk, "order": 1, "person": ada.pk})
        await meet()

    async def delete(ws: Any) -> None:
        await ws.delete(await ws.get("test_dir.person", ada.pk))
        await meet()

    results = await asyncio.gather(house.edit(bind), other.edit(delete), return_exceptions=True)
    failures = [one for one in results if isinstance(one, BaseException)]
    assert len(failures) == 1
    await house.plane.refresh()
    bound, there = bool(house.plane.snapshot.all(Rule)), await house.rows.get(Person.KIND, ada.pk) is not None
    assert bound == there
    assert isinstance(failures[0], Referenced if there else InvalidResource)


async def test_a_unit_of_work_that_never_gets_through(small_house: House) -> None:
    runs = 0

    async def work(ws: Any) -> None:
        nonlocal runs
        runs += 1
        await ws.create("test_zones.zone", {"name": "mine"})
        await open_one(small_house, runs)

    with pytest.raises(Conflict):
        await small_house.edit(work)
    assert runs == 16


async def open_one(house: House, index: int) -> None:
    workspace = await house.editor.open()
    await workspace.create("test_zones.zone", {"name": f"other {index}"})
    await workspace.commit(author="other", message="", now=1)
