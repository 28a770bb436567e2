"""Creating, changing and finding objects in one unit of work."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from config_kinds import Ask, House, Rule, Zone

from ostiary.resource import InvalidResource, UnknownKind
from ostiary.seal import Secret
from ostiary.store.database import Statement


def problems(error: pytest.ExceptionInfo[InvalidResource]) -> dict[str, str]:
    return {problem.field: problem.message for problem in error.value.problems}


async def make_zone(house: House, name: str = "North", **values: Any) -> Any:
    stored, _ = await house.edit(lambda work: work.create("test_zones.zone", {"name": name, **values}))
    return stored


async def test_create_is_read_back(house: House) -> None:
    async def work(ws: Any) -> Any:
        person = await ws.create("test_dir.person", {"username": "Ada", "data": {"x": 1}})
        zone = await ws.create(
            Zone.KIND,
            {"name": "North", "secret": "s3cret", "keepers": [str(person.pk)], "settings": {"a": [1, 2.5]}, "other": 1},
        )
        rule = await ws.create("test_rules.rule", {"target": zone.pk.upper(), "order": "1", "person": person.pk})
        return person, zone, rule

    (person, zone, rule), committed = await house.edit(work)
    assert committed.revision == 1
    assert [(one.action, one.label) for one in committed.changes] == [
        ("created", "Ada"),
        ("created", "North"),
        ("created", rule.pk),
    ]
    snapshot = house.plane.snapshot
    found = snapshot.get(Zone, zone.pk)
    assert found is not None
    assert found.secret == Secret("s3cret")
    assert found.keepers == (person.pk,)
    assert found.settings == {"a": [1, 2.5]}
    assert snapshot.get(Rule, rule.pk) == rule.item()
    rows = await house.database.fetch("SELECT * FROM edge ORDER BY source_kind, field")
    assert [(row["field"], row["target_kind"], row["target_id"]) for row in rows] == [
        ("person", "test_dir.person", str(person.pk)),
        ("target", "test_zones.zone", zone.pk),
        ("keepers", "test_dir.person", str(person.pk)),
    ]
    assert len(await house.database.fetch("SELECT * FROM test_audit")) == 3
    bodies = [row["body"] for row in await house.database.fetch("SELECT body FROM document")]
    assert not any("s3cret" in body for body in bodies)


async def test_all_problems_at_once(house: House) -> None:
    await make_zone(house)
    with pytest.raises(InvalidResource) as error:
        await house.edit(
            lambda ws: ws.create(
                "test_zones.zone",
                {"name": "ＮＯＲＴＨ", "slug": "no blanks", "parent": str(uuid.uuid4()), "keepers": [7, "x"]},
                pk="no uuid",
            )
        )
    found = problems(error)
    assert set(found) == {"pk", "slug", "parent", "keepers", "name"}
    assert found["pk"] == "expected a UUID"
    assert "letters, digits" in found["slug"]
    assert "test_zones.zone" in found["parent"]
    assert "North" in found["name"]
    with pytest.raises(InvalidResource) as error:
        await house.edit(lambda ws: ws.create("test_zones.zone", {"name": "forbidden", "slug": "forbidden"}))
    assert problems(error) == {"slug": "must differ from the name"}
    assert house.plane.snapshot.number == 1


async def test_update_is_partial_and_no_change_is_no_revision(house: House) -> None:
    zone = await make_zone(house, slug="north", settings={"b": 1, "a": 2}, secret="one")

    async def same(ws: Any) -> Any:
        return await ws.update(
            await ws.get("test_zones.zone", zone.pk), {"slug": "north", "secret": "one", "settings": {"a": 2, "b": 1}}
        )

    _, committed = await house.edit(same)
    assert committed is None
    assert len(await house.plane.revisions()) == 1

    async def change(ws: Any) -> Any:
        return await ws.update(await ws.find("test_zones.zone", [("name", "north")]), {"secret": "two"})

    changed, committed = await house.edit(change)
    assert committed.revision == 2
    assert changed.values["slug"] == "north"
    assert changed.values["settings"] == {"a": 2, "b": 1}
    entry = (await house.plane.revisions())[0].entries[0]
    assert entry.fields == [{"field": "secret", "before": "********", "after": "********"}]
    assert entry.before is not None
    sealed: Any = entry.before["body"]
    assert sealed["$sealed"]["secret"].startswith("s1.")

    async def back_and_forth(ws: Any) -> None:
        found = await ws.get("test_zones.zone", zone.pk)
        await ws.update(found, {"slug": "other"})
        await ws.update(found, {"slug": "north"})
        made = await ws.create("test_steps.ask", {"name": "a"})
        await ws.delete(made)
        await ws.delete(made)

    assert (await house.edit(back_and_forth))[1] is None


async def test_update_of_what_is_gone(small_house: House) -> None:
    zone = await make_zone(small_house)

    async def work(ws: Any) -> None:
        await ws.delete(zone)
        await ws.update(zone, {"slug": "x"})

    with pytest.raises(InvalidResource, match="does not exist any more"):
        await small_house.edit(work)


async def test_unique_within_the_class_that_declares_the_field(small_house: House) -> None:
    async def work(ws: Any) -> None:
        await ws.create("test_steps.ask", {"name": "first"})
        await ws.create("test_steps.deny", {"name": "second"})
        await ws.create(
            "test_core.app", {"name": "first", "step": (await ws.find("test_steps.step", [("name", "first")])).pk}
        )

    await small_house.edit(work)
    with pytest.raises(InvalidResource, match=r"already used by test_steps\.ask first"):
        await small_house.edit(lambda ws: ws.create("test_steps.deny", {"name": "first"}))
    # an object does not collide with itself, but with another when it is renamed
    ask = small_house.plane.snapshot.find(Ask, name="first")
    assert ask is not None

    async def rename(ws: Any, name: str) -> None:
        await ws.update(await ws.get("test_steps.step", ask.pk), {"name": name, "question": "why?"})

    await small_house.edit(lambda ws: rename(ws, "first"))
    with pytest.raises(InvalidResource, match=r"test_steps\.deny second"):
        await small_house.edit(lambda ws: rename(ws, "second"))


async def test_unique_in_the_directory(house: House) -> None:
    await house.edit(lambda ws: ws.create("test_dir.person", {"username": "Straße"}))
    with pytest.raises(InvalidResource, match="already used"):
        await house.edit(lambda ws: ws.create("test_dir.person", {"username": "STRASSE"}))

    async def twice(ws: Any) -> None:
        await ws.create("test_dir.person", {"username": "new"})
        await ws.create("test_dir.person", {"username": "NEW"})

    with pytest.raises(InvalidResource, match="already used"):
        await house.edit(twice)


async def test_unique_together(small_house: House) -> None:
    zone = await make_zone(small_house)

    async def rule(ws: Any, **values: Any) -> Any:
        return await ws.create("test_rules.rule", {"target": zone.pk, "order": 1, **values})

    async def work(ws: Any) -> None:
        await rule(ws)
        await rule(ws)  # a person who is not set is not the same person, as in SQL
        person = await ws.create("test_dir.person", {"username": "ada"})
        await rule(ws, person=person.pk)
        await rule(ws, person=person.pk, order=2)
        await rule(ws, person=person.pk)

    with pytest.raises(InvalidResource, match="target, person, order are already used together"):
        await small_house.edit(work)


async def test_lookups(house: House) -> None:
    async def work(ws: Any) -> None:
        ada = await ws.create("test_dir.person", {"username": "ada", "data": {"team": {"name": "red", "size": 3}}})
        bob = await ws.create("test_dir.person", {"username": "bob"})
        north = await ws.create(
            "test_zones.zone", {"name": "North", "settings": {"a": [1, {"b": 2}]}, "keepers": [ada.pk]}
        )
        south = await ws.create("test_zones.zone", {"name": "South", "slug": "south", "parent": north.pk})
        rule = await ws.create("test_rules.rule", {"target": north.pk, "order": 5, "person": bob.pk})

        async def found(target: str, *lookups: tuple[str, object]) -> list[str]:
            return [str(one.pk) for one in await ws.match(target, lookups)]

        assert await found("test_zones.zone", ("name", "NORTH")) == [north.pk]
        assert await found("test_zones.zone", ("name", "North"), ("slug", "south")) == []
        assert await found("test_zones.zone", ("pk", south.pk), ("name", "north")) == [south.pk, north.pk]
        assert await found("test_zones.zone", ("pk", "x"), ("name", "north")) == [north.pk]
        assert await found("test_zones.zone", ("pk", "x")) == []
        assert await found("test_zones.zone", ("pk", north.pk.upper())) == [north.pk]
        assert await found("test_zones.zone", ("settings", {"a": [{"b": 2}]})) == [north.pk]
        assert await found("test_zones.zone", ("settings__a", [1])) == [north.pk]
        assert await found("test_zones.zone", ("keepers", ada.pk)) == [north.pk]
        assert await found("test_zones.zone", ("keepers", [str(ada.pk)])) == [north.pk]
        assert await found("test_zones.zone", ("keepers", [])) == [south.pk]
        assert await found("test_zones.zone", ("keepers__username", "ADA")) == [north.pk]
        assert await found("test_zones.zone", ("parent", None)) == [north.pk]
        assert await found("test_zones.zone", ("parent__slug", "zone")) == [south.pk]
        assert await found("test_zones.zone", ("parent__pk", north.pk)) == [south.pk]
        assert await found("test_rules.rule", ("target__name", "north"), ("person__username", "bob")) == [rule.pk]
        assert await found("test_rules.rule", ("order", "5")) == [rule.pk]
        assert await found("test_rules.rule", ("order", "five")) == []
        assert await found("test_dir.person", ("data", {"team": {"name": "red"}})) == [str(ada.pk)]
        assert await found("test_core.bindable", ("slug", "south")) == [south.pk]
        assert await found("test_zones.zone", ("parent__parent__name", "x")) == []
        assert await found("test_zones.zone", ("name__startswith", "Nor")) == [north.pk]
        assert await found("test_zones.zone", ("name__istartswith", "nor")) == [north.pk]
        assert await found("test_zones.zone", ("name__startswith", "nor")) == []
        assert await found("test_zones.zone", ("name__endswith", "th")) == sorted([north.pk, south.pk])
        assert await found("test_zones.zone", ("name__icontains", "OUT")) == [south.pk]
        assert await found("test_zones.zone", ("name__contains", "OUT")) == []
        assert await found("test_zones.zone", ("name__iexact", "nORTH")) == [north.pk]
        assert await found("test_zones.zone", ("name__exact", "North")) == [north.pk]
        assert await found("test_zones.zone", ("name__in", ["South", "West"])) == [south.pk]
        assert await found("test_zones.zone", ("name__in", "South")) == []
        assert await found("test_zones.zone", ("pk__in", [north.pk.upper(), "x"])) == [north.pk]
        assert await found("test_zones.zone", ("parent__isnull", True)) == [north.pk]
        assert await found("test_zones.zone", ("parent__isnull", "false")) == [south.pk]
        assert await found("test_zones.zone", ("parent__pk__in", [north.pk])) == [south.pk]
        assert await found("test_zones.zone", ("keepers__username__startswith", "a")) == [north.pk]
        assert await found("test_zones.zone", ("settings__a__contains", 1)) == []
        assert await found("test_zones.zone", ("settings__a__contains", [1])) == [north.pk]
        assert await found("test_zones.zone", ("secret__startswith", "")) == []
        assert await found("test_rules.rule", ("order__gt", 4), ("order__lte", "5")) == [rule.pk]
        assert await found("test_rules.rule", ("order__lt", 5)) == []
        assert await found("test_rules.rule", ("order__gte", "many")) == []
        assert await found("test_rules.rule", ("target__zone__name", "North")) == [rule.pk]  # of a family, its kind
        assert await found("test_zones.zone", ("rule__order", 5)) == [north.pk]  # what refers to it
        assert await found("test_dir.person", ("rule__target__name__iexact", "north")) == [str(bob.pk)]
        assert await found("test_dir.person", ("data__team__size", 3)) == [str(ada.pk)]
        assert await found("test_dir.person", ("data__team__size__gt", 2)) == [str(ada.pk)]
        assert await found("test_dir.person", ("data__team__name__in", ["red"])) == [str(ada.pk)]
        long = "__".join(["parent"] * 7)
        for name in ("nothing", "name__x", "parent__nothing", "pk__name", "ask__name", long):
            with pytest.raises(InvalidResource, match="no field to find"):
                await ws.match("test_zones.zone", [(name, 1)])
        with pytest.raises(UnknownKind):
            await ws.find("test_none.such", [("name", "x")])
        assert await ws.find("test_core.app", [("name", "x")]) is None

    async def both(ws: Any) -> None:
        await work(ws)

    await house.edit(both)

    async def stored(ws: Any) -> None:  # the same questions to what is stored, not pending
        north = await ws.find("test_zones.zone", [("keepers__username", "ada")])
        assert north.values["name"] == "North"
        assert (await ws.find("test_rules.rule", [("target__name", "north")])).values["order"] == 5
        assert (await ws.find("test_dir.person", [("data", {"team": {"size": 3}})])).values["username"] == "ada"
        await ws.update(north, {"name": "Polar"})
        assert await ws.find("test_zones.zone", [("name", "North")]) is None
        assert (await ws.find("test_zones.zone", [("name", "polar")])).pk == north.pk
        await ws.update(await ws.find("test_dir.person", [("username", "bob")]), {"username": "robert"})
        assert await ws.find("test_dir.person", [("username", "bob")]) is None
        assert (await ws.find("test_rules.rule", [("person__username", "robert")])).values["order"] == 5

    await house.edit(stored)


async def test_integer_keys(house: House) -> None:
    async def work(ws: Any) -> list[Any]:
        step = await ws.create("test_steps.ask", {"name": "a"})
        own = await ws.create("test_core.app", {"name": "own", "step": step.pk}, pk="2")
        others = [await ws.create("test_core.app", {"name": f"app {i}", "step": step.pk}) for i in range(2)]
        with pytest.raises(InvalidResource, match="already used by another"):
            await ws.create("test_core.app", {"name": "x", "step": step.pk}, pk=2)
        with pytest.raises(InvalidResource, match="expected a whole number"):
            await ws.create("test_core.app", {"name": "x", "step": step.pk}, pk="x")
        return [own.pk, *(other.pk for other in others)]

    pks, _ = await house.edit(work)
    assert pks == [2, 1, 3]
    assert [app.pk for app in house.plane.snapshot.all(house.plane.registry.get("test_core.app").model)] == [1, 2, 3]


async def test_a_kind_without_backend(small_house: House) -> None:
    small_house.editor._backends = {}
    with pytest.raises(UnknownKind, match="has no backend"):
        await small_house.edit(lambda ws: ws.get("test_dir.crew", str(uuid.uuid4())))


async def test_deleted_and_made_again_is_an_update(small_house: House) -> None:
    zone = await make_zone(small_house, secret="x")

    async def again(ws: Any, **values: Any) -> Any:
        await ws.delete(zone)
        return await ws.create("test_zones.zone", {"name": "North", **values}, pk=zone.pk)

    assert (await small_house.edit(lambda ws: again(ws, secret="x")))[1] is None
    _, committed = await small_house.edit(again)
    assert [one.action for one in committed.changes] == ["updated"]


async def test_a_kind_this_version_does_not_have(small_house: House) -> None:
    small = House(small_house.database, kinds=tuple(k for k in small_house_kinds() if k is not Zone))
    await small.plane.load()
    with pytest.raises(InvalidResource, match="which this version does not have"):
        await small.edit(lambda ws: ws.create("test_rules.rule", {"target": str(uuid.uuid4()), "order": 1}))


def small_house_kinds() -> tuple[Any, ...]:
    from config_kinds import KINDS

    return KINDS


async def test_a_document_whose_target_vanished_can_still_be_changed(house: House) -> None:
    """A room that deletes rows without `release` leaves a dangling reference; it must not lock the document."""
    ada, _ = await house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada"}))
    zone = await make_zone(house, keepers=[ada.pk])

    def batch() -> Any:
        yield Statement("DELETE FROM test_directory")

    await house.database.write(batch)

    async def change(ws: Any) -> Any:
        assert await ws.find("test_zones.zone", [("keepers__username", "ada")]) is None
        assert await ws.find("test_zones.zone", [("pk", True)]) is None
        return await ws.update(await ws.get("test_zones.zone", zone.pk), {"slug": "changed"})

    changed, committed = await house.edit(change)
    assert committed.revision == 2
    assert changed.values["keepers"] == (ada.pk,)
    with pytest.raises(InvalidResource, match="1 is not the primary key of an existing test_dir"):
        await house.edit(lambda ws: ws.update(changed, {"keepers": [ada.pk]}))


async def test_a_plan_writes_nothing(small_house: House) -> None:
    workspace = await small_house.editor.open()
    await workspace.create("test_zones.zone", {"name": "North"})
    assert [one.action for one in workspace.changes] == ["created"]
    assert workspace.snapshot.number == 0
    assert (await small_house.plane.refresh()).number == 0
    assert await small_house.database.fetch("SELECT * FROM document") == []


async def test_every_wrong_lookup_is_named(small_house: House) -> None:
    workspace = await small_house.editor.open()
    with pytest.raises(InvalidResource) as error:
        await workspace.find("test_zones.zone", [("pk", "x"), ("nothing", 1), ("none", 2)])
    assert set(problems(error)) == {"nothing", "none"}
    await workspace.create("test_zones.zone", {"name": "North", "settings": {"flag": True}})
    assert await workspace.find("test_zones.zone", [("settings", {"flag": 1})]) is None
    assert await workspace.find("test_zones.zone", [("settings", {"flag": True})]) is not None
    assert await workspace.find("test_zones.zone", [("settings__none", True)]) is None
    assert await workspace.find("test_zones.zone", [("slug", ["zone"])]) is None


async def test_a_backend_may_find_that_nothing_changes(small_house: House) -> None:
    ada, _ = await small_house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada"}))
    _, committed = await small_house.edit(lambda ws: ws.update(ada, {"data": {"secret": "the same"}}))
    assert committed is None


async def test_a_new_spelling_of_its_own_name_is_no_collision(house: House) -> None:
    zone = await make_zone(house)
    ada, _ = await house.edit(lambda ws: ws.create("test_dir.person", {"username": "ada"}))

    async def rename(ws: Any) -> None:
        await ws.update(zone, {"name": "NORTH"})
        await ws.update(ada, {"username": "Ada"})

    _, committed = await house.edit(rename)
    assert [one.action for one in committed.changes] == ["updated", "updated"]
