"""Loading, refreshing, the canary, upcasting, and what snapshots share."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Annotated, Any

import pytest
from config_kinds import KINDS, NOW, Ask, Deny, House, Rule, Zone, open_house
from support.noting import noting
from support.waiting import PATIENCE, until

from ostiary.resource import Reading, Registry, Resource, Sealed, kind
from ostiary.seal import Secret
from ostiary.seal.envelope import Tampered, WrongKey
from ostiary.store.configuration.plane import ConfigPlane, UnknownRevision
from ostiary.store.configuration.snapshot import Snapshot, fold
from ostiary.store.database import Database, NewerSchema, Statement, StoreError, Unavailable, WrongStatement


async def furnish(ws: Any) -> dict[str, str]:
    made = {}
    for name in ("North", "South"):
        made[name] = (await ws.create("test_zones.zone", {"name": name, "secret": name, "settings": {"l": [1]}})).pk
    made["ask"] = (await ws.create("test_steps.ask", {"name": "ask"})).pk
    made["deny"] = (await ws.create("test_steps.deny", {"name": "deny"})).pk
    made["rule"] = (await ws.create("test_rules.rule", {"target": made["North"], "order": 1, "step": made["ask"]})).pk
    return made


async def run(database: Database, sql: str, *parameters: Any) -> None:
    def batch() -> Any:
        yield Statement(sql, parameters)

    await database.write(batch)


async def test_the_wrong_key_is_refused(house: House) -> None:
    with pytest.raises(WrongKey, match="sealed with the secret key"):
        await open_house(house.database, key="another key")
    await run(house.database, "UPDATE config_head SET canary = ?", house.sealer.seal(b"x", context="elsewhere"))
    with pytest.raises(Tampered):
        await open_house(house.database)


async def test_another_process_sees_changes_and_deletions(house: House) -> None:
    made, _ = await house.edit(furnish)
    other = await open_house(house.database)
    before = other.plane.snapshot
    assert before.number == 1

    async def change(ws: Any) -> None:
        await ws.update(await ws.get("test_zones.zone", made["South"]), {"slug": "south"})
        await ws.delete(await ws.get("test_rules.rule", made["rule"]))

    await house.edit(change)
    await house.edit(lambda ws: ws.create("test_steps.ask", {"name": "another"}))
    assert other.plane.snapshot is before
    assert await other.plane.stored_number() == 3, "what is stored, whether this process has read it or not"
    after = await other.plane.refresh()
    assert after.number == 3
    assert await other.plane.refresh() is after
    assert after.all(Rule) == ()
    assert before.get(Rule, made["rule"]) is not None
    south = after.get(Zone, made["South"])
    assert south is not None
    assert south.slug == "south"
    # unchanged objects and kinds are shared, not copied
    assert after.get(Zone, made["North"]) is before.get(Zone, made["North"])
    assert after._objects["test_steps.deny"] is before._objects["test_steps.deny"]
    assert {ask.name for ask in after.all(Ask)} == {"ask", "another"}


async def test_concurrent_refreshes_load_once(house: House) -> None:
    other = await open_house(house.database)
    await house.edit(furnish)
    reads = 0
    real = other.database.read

    async def counted(batch: Any) -> Any:
        nonlocal reads
        reads += 1
        return await real(batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other.database, "read", counted)
        snapshots = await asyncio.gather(*(other.plane.refresh() for _ in range(5)))
    assert reads == 1
    assert len({id(one) for one in snapshots}) == 1


async def test_watch_keeps_within_a_second(house: House) -> None:
    other = await open_house(house.database)
    task = asyncio.create_task(other.plane.watch.run())
    await house.edit(furnish)
    assert other.plane.watch._every <= 0.5  # seconds; twice that is promised

    async def learnt() -> bool:
        return other.plane.snapshot.number == 1

    await until(learnt)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


ERRORS = (
    Unavailable("gone"),
    WrongStatement("no right to read"),
    TimeoutError(),
    ValueError("nobody thought of this one"),
    asyncio.CancelledError("something inside gave up"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a77_the_watch_goes_on_after_any_error(
    small_house: House, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    calls = 0
    enough = asyncio.Event()

    async def refresh() -> Snapshot:
        nonlocal calls
        calls += 1
        if calls == 4:
            enough.set()
        if calls < 3:
            raise error
        return small_house.plane.snapshot

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_house.plane, "refresh", refresh)
        patch.setattr(small_house.plane.watch, "_every", 0.001)
        task = asyncio.create_task(small_house.plane.watch.run())
        await asyncio.wait_for(enough.wait(), PATIENCE)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert len([one for one in caplog.records if one.message.startswith("configuration: failed")]) == 1


async def test_a77_a_deletion_is_learnt_after_a_table_could_not_be_read(house: House) -> None:
    made, _ = await house.edit(furnish)
    other = await open_house(house.database)
    watch = other.plane.watch
    await run(house.database, "ALTER TABLE config_head RENAME TO config_head_away")
    assert await watch.attempt() > 0
    with pytest.raises(StoreError):
        await other.plane.refresh()
    await run(house.database, "ALTER TABLE config_head_away RENAME TO config_head")
    await house.edit(lambda ws: _drop(ws, made["rule"]))
    task = asyncio.create_task(watch.run())
    async with asyncio.timeout(PATIENCE):
        while other.plane.snapshot.get(Rule, made["rule"]) is not None:
            assert not task.done()
            await asyncio.sleep(0.01)
    task.cancel()


async def test_an_edit_stands_when_the_refresh_after_it_fails(small_house: House) -> None:
    async def refresh() -> Snapshot:
        raise Unavailable("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_house.plane, "refresh", refresh)
        _, committed = await small_house.edit(furnish)
    assert committed.revision == 1


async def test_snapshot_indexes(small_house: House) -> None:
    made, _ = await small_house.edit(furnish)
    snapshot = small_house.plane.snapshot
    assert snapshot.find(Zone, name="NORTH") is snapshot.get(Zone, made["North"])
    assert snapshot.find(Zone, name="North", slug="other") is None
    assert snapshot.find(Zone, settings={"l": [1]}) is not None
    assert snapshot.find(Zone, keepers=()) is not None
    assert len(snapshot.where(Zone, slug="zone")) == 2
    assert {type(one) for one in snapshot.family("test_steps.step")} == set[type]((Ask, Deny))
    assert snapshot.resolve("test_steps.step", made["deny"]) is snapshot.get(Deny, made["deny"])
    assert snapshot.resolve("test_steps.step", made["North"]) is None
    assert [one.pk for one in snapshot.referring(Rule, "step", made["ask"])] == [made["rule"]]
    assert snapshot.referring(Rule, "step", made["deny"]) == ()
    built = []
    for _ in range(2):
        assert snapshot.memo("key", noting(lambda: built.append(1), lambda: "value")) == "value"
    assert built == [1]
    assert fold("ﬁSS") == fold("fiß")


async def test_shared_objects_cannot_be_changed(small_house: House) -> None:
    made, _ = await small_house.edit(furnish)
    zone: Any = small_house.plane.snapshot.get(Zone, made["North"])
    with pytest.raises(TypeError, match="shared"):
        zone.settings["x"] = 1
    with pytest.raises(TypeError, match="shared"):
        zone.settings["l"].append(2)
    with pytest.raises(AttributeError):
        zone.name = "other"


def test_snapshot_of_loose_objects() -> None:
    zone = Zone(pk="b", name="B")
    snapshot = Snapshot.of(Registry(KINDS), [zone, Zone(pk="a", name="A")], number=7)
    assert snapshot.number == 7
    assert [one.pk for one in snapshot.all(Zone)] == ["a", "b"]


def renamed(body: dict[str, object]) -> dict[str, object]:
    return {"name": body["name"], "key": body["secret"], "old": body.get("gone", "no")}


async def test_documents_of_earlier_and_later_schemas(small_house: House) -> None:
    made, _ = await small_house.edit(furnish)

    @kind(
        "test_zones.zone", verbose_name="Zone", component="zone-form", routes="zones", schema=2, upcasters={1: renamed}
    )
    class NewZone(Resource):
        name: str
        key: Annotated[Secret, Sealed(Reading.WRITE_ONLY)]
        old: str = ""
        added: int = 5

    others = tuple(one for one in KINDS if one is not Zone)
    newer = House(small_house.database, kinds=(NewZone, *others))
    snapshot = await newer.plane.load()
    zone = snapshot.get(NewZone, made["North"])
    assert zone is not None
    assert (zone.name, zone.key, zone.old, zone.added) == ("North", Secret("North"), "no", 5)

    async def change(ws: Any) -> None:
        await ws.update(await ws.get("test_zones.zone", made["North"]), {"added": 6})

    await newer.edit(change)
    with pytest.raises(NewerSchema, match="schema 2"):
        await open_house(small_house.database)


async def test_unknown_kinds_and_impossible_keys_are_left_alone(
    small_house: House, caplog: pytest.LogCaptureFixture
) -> None:
    made, _ = await small_house.edit(furnish)
    await run(small_house.database, "UPDATE document SET id = 'x' WHERE id = ?", made["North"])
    fewer = House(small_house.database, kinds=(Zone,))
    snapshot = await fewer.plane.load()
    assert len(snapshot.all(Zone)) == 1
    assert "impossible key" in caplog.text
    await small_house.edit(lambda ws: _drop(ws, made["rule"]))
    await fewer.plane.refresh()  # the deletion of an unknown kind is no matter
    assert len(await fewer.database.fetch("SELECT * FROM document")) == 4


async def _drop(ws: Any, pk: str) -> None:
    await ws.delete(await ws.get("test_rules.rule", pk))


async def test_a_sealed_text_moved_to_another_object_is_refused(small_house: House) -> None:
    made, _ = await small_house.edit(furnish)
    rows = await small_house.database.fetch("SELECT body FROM document WHERE id = ?", made["North"])
    await run(small_house.database, "UPDATE document SET body = ? WHERE id = ?", rows[0]["body"], made["South"])
    plane = ConfigPlane(small_house.database, small_house.plane.registry, small_house.sealer)
    with pytest.raises(Tampered):
        await plane.load()


async def test_revisions_tell_who_when_why(small_house: House) -> None:
    await small_house.edit(furnish, message="furnish the house")
    (revision,) = await small_house.plane.revisions()
    assert (revision.author, revision.created, revision.message) == ("tester", NOW, "furnish the house")
    assert [(entry.action, entry.label) for entry in revision.entries][:2] == [
        ("created", "North"),
        ("created", "South"),
    ]
    assert "North" not in str([one for one in revision.entries[0].fields if one["field"] == "secret"])


async def test_two_processes_make_the_canary_together(sqlite_database: Database) -> None:
    houses = [House(sqlite_database), House(sqlite_database)]
    await asyncio.gather(*(one.plane.load() for one in houses))
    head = (await sqlite_database.fetch("SELECT canary FROM config_head"))[0]
    houses[0].sealer.verify_canary(head["canary"])


async def test_a_read_that_lags_behind_does_not_turn_back(small_house: House) -> None:
    await small_house.edit(furnish)
    newest = small_house.plane.snapshot
    real = small_house.database.fetch

    async def stale(sql: str, *parameters: Any) -> Any:
        return await real(sql.replace("number", "number - 1 AS number", 1), *parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_house.database, "fetch", stale)
        assert await small_house.plane.refresh() is newest


async def test_a_deletion_with_an_impossible_key_is_passed_over(small_house: House) -> None:
    made, _ = await small_house.edit(furnish)
    other = await open_house(small_house.database)
    await small_house.edit(lambda ws: _drop(ws, made["rule"]))
    await run(small_house.database, "UPDATE revision SET diff = replace(diff, ?, 'x') WHERE number = 2", made["rule"])
    await other.plane.refresh()
    assert other.plane.snapshot.number == 2


def contents(snapshot: Snapshot) -> dict[str, dict[Any, Any]]:
    return {kind: dict(objects) for kind, objects in snapshot._objects.items() if objects}


async def test_an_earlier_revision_is_as_it_was(house: House) -> None:
    """What was changed, deleted and made since is undone; what was deleted and made again under the same name as well."""
    was = [house.plane.snapshot]
    made, _ = await house.edit(furnish)
    was.append(house.plane.snapshot)

    async def change(ws: Any) -> None:
        await ws.update(await ws.get("test_zones.zone", made["South"]), {"slug": "south", "secret": "another"})
        await ws.delete(await ws.get("test_rules.rule", made["rule"]))

    async def change_again(ws: Any) -> None:
        await ws.update(await ws.get("test_zones.zone", made["South"]), {"slug": "more-south"})
        await ws.delete(await ws.get("test_steps.ask", made["ask"]))
        await ws.create("test_steps.ask", {"name": "ask"})

    for work in (change, change_again):
        await house.edit(work)
        was.append(house.plane.snapshot)
    assert all(contents(one) != contents(following) for one, following in itertools.pairwise(was))
    other = await open_house(house.database)
    for number, snapshot in enumerate(was):
        found = await other.plane.snapshot_at(number)
        assert found.number == number
        assert contents(found) == contents(snapshot)
    assert await other.plane.snapshot_at(3) is other.plane.snapshot
    earlier = (await other.plane.snapshot_at(1)).get(Zone, made["South"])
    assert earlier is not None
    assert earlier.secret.reveal() == "South"
    assert other.plane.snapshot.number == 3, "the newest stays in force"


async def test_a_revision_that_no_commit_made_is_refused(small_house: House) -> None:
    await small_house.edit(furnish)
    for number in (-1, 2, 99):
        with pytest.raises(UnknownRevision, match=f"there is no revision {number}; the newest is 1"):
            await small_house.plane.snapshot_at(number)


async def test_an_earlier_revision_of_kinds_that_are_not_known_here(house: House) -> None:
    made, _ = await house.edit(furnish)

    async def drop(ws: Any) -> None:
        await ws.delete(await ws.get("test_steps.deny", made["deny"]))

    await house.edit(drop)
    other = await open_house(house.database, kinds=tuple(one for one in KINDS if one is not Deny))
    assert (await other.plane.snapshot_at(1)).get(Zone, made["North"]) is not None
