"""What a delete protects, takes along and cuts, within a plane and across planes."""

from __future__ import annotations

from typing import Any

import pytest
from config_kinds import App, Ask, House, Person, Rule, Zone, open_house

from ostiary.resource import InvalidResource
from ostiary.store.configuration.config_tables import release
from ostiary.store.database import Batch, Conflict
from ostiary.store.workspace.editor import Referenced, Referrer


async def furnish(ws: Any) -> dict[str, Any]:
    ada = await ws.create("test_dir.person", {"username": "ada"})
    crew = await ws.create("test_dir.crew", {"name": "reds", "lead": ada.pk, "deputy": ada.pk})
    ask = await ws.create("test_steps.ask", {"name": "ask"})
    north = await ws.create("test_zones.zone", {"name": "North", "keepers": [ada.pk]})
    south = await ws.create("test_zones.zone", {"name": "South", "parent": north.pk})
    rule = await ws.create("test_rules.rule", {"target": north.pk, "order": 1, "crew": crew.pk, "step": ask.pk})
    return {"ada": ada, "crew": crew, "ask": ask, "north": north, "south": south, "rule": rule}


async def remove(ws: Any, stored: Any) -> Any:
    await ws.delete(await ws.get(stored.kind.name, stored.pk))
    return {(one.action, one.label) for one in ws.changes}


async def test_protect_names_who_refers(house: House) -> None:
    made, _ = await house.edit(furnish)
    with pytest.raises(Referenced, match=r"test_steps\.ask ask is still used by test_rules\.rule .* \(step\)") as error:
        await house.edit(lambda ws: remove(ws, made["ask"]))
    assert [(one.stored.pk, one.field) for one in error.value.by] == [(made["rule"].pk, "step")]
    assert house.plane.snapshot.number == 1


async def test_cascade_and_set_null_within_the_configuration(house: House) -> None:
    made, _ = await house.edit(furnish)
    changes, committed = await house.edit(lambda ws: remove(ws, made["north"]))
    assert changes == {("deleted", "North"), ("deleted", made["rule"].pk), ("updated", "South")}
    assert committed.revision == 2
    snapshot = house.plane.snapshot
    assert [(zone.name, zone.parent) for zone in snapshot.all(Zone)] == [("South", None)]
    assert snapshot.all(Rule) == ()
    assert await house.database.fetch("SELECT * FROM edge") == await house.database.fetch(
        "SELECT * FROM edge WHERE 1 = 0"
    )
    # now nothing protects the step any more
    await house.edit(lambda ws: remove(ws, made["ask"]))
    other = await open_house(house.database)
    assert other.plane.snapshot.all(Ask) == ()


async def test_deleting_a_person_across_planes(house: House) -> None:
    made, _ = await house.edit(furnish)
    changes, committed = await house.edit(lambda ws: remove(ws, made["ada"]))
    # the crew she led goes with her, the rule with the crew, and the zone loses its keeper
    assert changes == {("deleted", "ada"), ("deleted", "reds"), ("deleted", made["rule"].pk), ("updated", "North")}
    assert committed.revision == 2
    assert await house.rows.get(Person.KIND, made["ada"].pk) is None
    zone = house.plane.snapshot.find(Zone, name="North")
    assert zone is not None
    assert zone.keepers == ()


async def test_a_protected_person_stays(house: House) -> None:
    async def work(ws: Any) -> Any:
        made = await furnish(ws)
        await ws.create("test_rules.rule", {"target": made["south"].pk, "order": 1, "person": made["ada"].pk})
        return made

    made, _ = await house.edit(work)
    with pytest.raises(Referenced, match="ada is still used by"):
        await house.edit(lambda ws: remove(ws, made["ada"]))
    assert await house.rows.get(Person.KIND, made["ada"].pk) is not None

    # what goes along protects nobody
    async def both(ws: Any) -> Any:
        await ws.delete(made["south"])
        return await remove(ws, made["ada"])

    await house.edit(both)
    assert await house.rows.get(Person.KIND, made["ada"].pk) is None


async def test_deleting_a_document_cuts_directory_references(house: House) -> None:
    async def work(ws: Any) -> Any:
        zone = await ws.create("test_zones.zone", {"name": "North"})
        await ws.create("test_dir.person", {"username": "ada", "home": zone.pk})
        return zone

    zone, _ = await house.edit(work)
    changes, committed = await house.edit(lambda ws: remove(ws, zone))
    assert changes == {("deleted", "North"), ("updated", "ada")}
    assert {one.kind.name for one in committed.changes} == {"test_zones.zone", "test_dir.person"}
    assert [entry.kind for entry in (await house.plane.revisions())[0].entries] == ["test_zones.zone"]
    found = await house.rows.match(Person.KIND, [("username", "ada")])
    assert found[0].values["home"] is None


async def test_directory_changes_alone_make_no_revision(house: House) -> None:
    ada, committed = await house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada"}))
    assert committed.revision is None
    _, committed = await house.edit(lambda ws: remove(ws, ada))
    assert committed.revision is None
    assert await house.plane.revisions() == []
    assert len(house.rows.prepared) == 2


async def test_a_required_reference_protects_although_set_null(small_house: House) -> None:
    async def work(ws: Any) -> Any:
        ask = await ws.create("test_steps.ask", {"name": "ask"})
        await ws.create("test_core.app", {"name": "app", "step": ask.pk})
        return ask

    ask, _ = await small_house.edit(work)
    with pytest.raises(Referenced, match=r"test_core\.app app \(step\)"):
        await small_house.edit(lambda ws: remove(ws, ask))
    assert len(small_house.plane.snapshot.all(App)) == 1


async def test_a_cut_that_makes_an_object_invalid_changes_nothing(small_house: House) -> None:
    """A zone that is invalid without its parent keeps the parent from going."""
    made, _ = await small_house.edit(furnish)

    async def work(ws: Any) -> Any:
        south = await ws.get("test_zones.zone", made["south"].pk)
        await ws.update(south, {"slug": "south"})
        before = ws.changes
        object.__setattr__(
            ws._overlay._pending[south.key], "values", {**south.values, "slug": "forbidden", "name": "forbidden"}
        )
        with pytest.raises(InvalidResource, match="must differ"):
            await ws.delete(made["north"])
        assert len(ws.changes) == len(before)

    await small_house.edit(work)
    assert small_house.plane.snapshot.find(Zone, name="North") is not None


async def test_rooms_that_bypass_the_workspace_release_first(house: House) -> None:
    made, _ = await house.edit(furnish)

    def batch(pk: Any) -> Batch[None]:
        for statement in release(Person.KIND.name, pk):  # noqa: UP028
            yield statement

    with pytest.raises(Conflict, match="still referred to"):
        await house.database.write(lambda: batch(made["ada"].pk))
    await house.database.write(lambda: batch(4711))
    head = (await house.database.fetch("SELECT cuts FROM config_head"))[0]
    assert head["cuts"] == 1


async def test_a_directory_may_protect_by_what_is_no_reference(small_house: House) -> None:
    """A backend may name a field of its tables (a membership) that the definition does not mark."""
    made, _ = await small_house.edit(furnish)
    small_house.rows.extra = [Referrer(made["ada"], "username")]
    with pytest.raises(Referenced, match=r"test_dir\.person ada \(username\)"):
        await small_house.edit(lambda ws: remove(ws, made["south"]))


async def test_references_in_a_circle_go_together(small_house: House) -> None:
    async def work(ws: Any) -> Any:
        crew = await ws.create("test_dir.crew", {"name": "a"})
        other = await ws.create("test_dir.crew", {"name": "b", "above": crew.pk})
        await ws.update(crew, {"above": other.pk})
        return crew

    crew, _ = await small_house.edit(work)
    changes, _ = await small_house.edit(lambda ws: remove(ws, crew))
    assert changes == {("deleted", "a"), ("deleted", "b")}
