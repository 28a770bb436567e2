from __future__ import annotations

import asyncio
import uuid

import pytest
from support.people import NOW
from support.postgres import PostgresServer

from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import GROUP, ROLE, TOKEN, USER
from ostiary.directory.roles import roles_of
from ostiary.directory.rows import members
from ostiary.directory.rows.backend import backends
from ostiary.directory.tokens import LIFETIME, Tokens
from ostiary.directory.users import Users
from ostiary.events.audit import audit_changes
from ostiary.events.repository import EventFilter, Events
from ostiary.resource import InvalidResource
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Batch, Conflict, Database, Statement
from ostiary.store.postgresql.opening import open_postgresql
from ostiary.store.workspace.changes import StoredObject
from ostiary.store.workspace.commit import run, write_all
from ostiary.store.workspace.editor import Editor, Workspace


async def create(editor: Editor, kind: str, **values: object) -> StoredObject:
    async def work(workspace: Workspace) -> StoredObject:
        return await workspace.create(kind, values)

    stored, committed = await editor.edit(work, author="test", message="", now=NOW)
    assert committed is not None
    assert committed.revision is None
    return stored


async def change(editor: Editor, stored: StoredObject, *, now: int = NOW + 1, **values: object) -> object:
    async def work(workspace: Workspace) -> None:
        current = await workspace.get(stored.kind.name, stored.pk)
        assert current is not None
        await workspace.update(current, values)

    _, committed = await editor.edit(work, author="test", message="", now=now)
    return committed


async def remove(editor: Editor, stored: StoredObject) -> None:
    async def work(workspace: Workspace) -> None:
        await workspace.delete(stored)

    await editor.edit(work, author="test", message="", now=NOW + 2)


async def read(editor: Editor, stored: StoredObject) -> StoredObject | None:
    return await (await editor.open()).get(stored.kind.name, stored.pk)


async def test_a_user_is_created_with_every_field(editor: Editor, users: Users, passwords: Passwords) -> None:
    group = await create(editor, GROUP, name="g", attributes={"a": [1]})
    role = await create(editor, ROLE, name="r", permissions=["authentik_core.view_user"])
    stored = await create(
        editor, USER, username="Jo", name="Jo", email="Jo@example.org", groups=[group.pk], roles=[role.pk],
        attributes={"upn": "jo@corp", "goauthentik.io/user/debug": True, "x": {"y": None}}, path="a/b",
        type="service_account", password="pässword",
    )  # fmt: skip
    user = await users.by_username("JO")
    assert user is not None
    assert stored.pk == user.pk
    assert uuid.UUID(user.uuid).version == 4
    assert (user.type, user.path, user.date_joined, user.last_login) == ("service_account", "a/b", NOW, None)
    assert (await passwords.verify(Secret("pässword"), user.password)).ok
    reread = await read(editor, stored)
    assert reread is not None
    assert reread.values["groups"] == (group.pk,)
    assert reread.values["roles"] == (role.pk,)
    assert reread.values["attributes"] == {"upn": "jo@corp", "goauthentik.io/user/debug": True, "x": {"y": None}}
    assert reread.values["password"] is None
    assert await users.by_login(["upn"], "JO@CORP") == user


async def test_an_update_with_the_same_values_changes_nothing(editor: Editor) -> None:
    group = await create(editor, GROUP, name="g")
    stored = await create(editor, USER, username="jo", groups=[group.pk])
    assert await change(editor, stored, username="jo", groups=[group.pk], attributes={}) is None
    assert await change(editor, group, name="g") is None
    token = await create(editor, TOKEN, identifier="t", user=stored.pk, key="given", intent="api")
    assert await change(editor, token, identifier="t", user=stored.pk, key="given", intent="api") is None


async def test_a52_read_only_fields_are_not_written(editor: Editor, users: Users) -> None:
    stored = await create(editor, USER, username="jo", uuid="x", date_joined=5)
    user = await users.get(int(stored.pk))
    assert user is not None
    assert (len(user.uuid), user.date_joined) == (36, NOW)


async def test_a_hash_is_not_accepted_as_a_password(editor: Editor, users: Users, passwords: Passwords) -> None:
    hashed = await passwords.hash(Secret("secret"))
    stored = await create(editor, USER, username="jo", password=hashed)
    user = await users.get(int(stored.pk))
    assert user is not None
    assert user.password != hashed
    assert not (await passwords.verify(Secret("secret"), user.password)).ok
    assert (await passwords.verify(Secret(hashed), user.password)).ok


async def test_a_new_password_is_stored_and_audited_and_the_same_one_ignored(
    editor: Editor, users: Users, passwords: Passwords, database: Database
) -> None:
    stored = await create(editor, USER, username="jo", password="first")
    user = await users.get(int(stored.pk))
    assert user is not None
    assert await change(editor, stored, password="first") is None
    same = await users.get(user.pk)
    assert same is not None
    assert (same.password, same.password_change_date) == (user.password, NOW)
    await change(editor, stored, password="second", now=NOW + 9)
    other = await users.get(user.pk)
    assert other is not None
    assert other.password_change_date == NOW + 9
    assert (await passwords.verify(Secret("second"), other.password)).ok
    assert await Events(database).count(EventFilter(action="password_set")) == 1
    for one in await Events(database).search(EventFilter()):
        assert "second" not in str(one.context)
        assert "argon2" not in str(one.context)


async def test_a69_a_long_password_is_a_field_problem(editor: Editor) -> None:
    with pytest.raises(InvalidResource) as caught:
        await create(editor, USER, username="jo", password="x" * 1025)
    assert [one.field for one in caught.value.problems] == ["password"]


async def test_all_problems_are_reported_together(editor: Editor) -> None:
    await create(editor, USER, username="Jo")
    with pytest.raises(InvalidResource) as caught:
        await create(editor, USER, username="JO", email="no address", groups=[str(uuid.uuid4())], type="alien")
    assert {one.field for one in caught.value.problems} == {"username", "email", "groups", "type"}


async def test_memberships_can_be_changed_from_both_sides(editor: Editor, users: Users) -> None:
    jo = await create(editor, USER, username="jo")
    mo = await create(editor, USER, username="mo")
    group = await create(editor, GROUP, name="g", users=[jo.pk])
    await change(editor, mo, groups=[group.pk])
    reread = await read(editor, group)
    assert reread is not None
    assert reread.values["users"] == (jo.pk, mo.pk)
    await change(editor, group, users=[mo.pk])
    reread = await read(editor, jo)
    assert reread is not None
    assert reread.values["groups"] == ()
    await change(editor, group, name="renamed")
    subject = await users.subject(int(mo.pk))
    assert subject is not None
    assert subject.all_group_names == {"renamed"}


async def test_one_unit_of_work_changes_both_sides_in_any_order(editor: Editor) -> None:
    async def work(workspace: Workspace) -> tuple[StoredObject, StoredObject]:
        user = await workspace.create(USER, {"username": "jo"})
        group = await workspace.create(GROUP, {"name": "g"})
        child = await workspace.create(GROUP, {"name": "child"})
        await workspace.update(child, {"parents": [group.pk]})
        await workspace.update(user, {"groups": [child.pk]})
        return user, child

    (user, child), _ = await editor.edit(work, author="test", message="", now=NOW)
    reread = await read(editor, user)
    assert reread is not None
    assert reread.values["groups"] == (child.pk,)


async def test_a_cycle_of_groups_is_refused(editor: Editor) -> None:
    top = await create(editor, GROUP, name="top")
    middle = await create(editor, GROUP, name="middle", parents=[top.pk])
    leaf = await create(editor, GROUP, name="leaf", parents=[middle.pk])
    for below in (top, middle, leaf):
        with pytest.raises(InvalidResource) as caught:
            await change(editor, top, parents=[below.pk])
        assert [one.field for one in caught.value.problems] == ["parents"]
    await change(editor, leaf, parents=[top.pk, middle.pk])


async def test_queries_over_parents_terminate_in_a_cycle(editor: Editor, database: Database) -> None:
    """Imported rows may contain a cycle: authentik accepts cycles, and groups that are their own parent."""
    role = await create(editor, ROLE, name="r")
    groups = [await create(editor, GROUP, name=name) for name in "abc"]
    await change(editor, groups[2], roles=[role.pk], is_superuser=True)
    user = await create(editor, USER, username="jo", groups=[groups[0].pk])
    pairs = [(0, 1), (1, 2), (2, 0), (1, 1)]
    rows = [
        Statement(
            "INSERT INTO directory_group_parent (child_pk, parent_pk) VALUES (?, ?)", (groups[one].pk, groups[two].pk)
        )
        for one, two in pairs
    ]
    await write_all(database, rows)
    users = Users(database, install_id="x")
    for subject in (await users.subject(int(user.pk)), await users.subject_named("jo")):
        assert subject is not None
        assert subject.all_group_names == {"a", "b", "c"}
        assert subject.is_superuser
    assert [name for _, name in await roles_of(database, int(user.pk))] == ["r"]
    with pytest.raises(InvalidResource):  # a change must remove the cycle
        await change(editor, groups[0], parents=[groups[1].pk, groups[2].pk])
    await change(editor, groups[2], parents=[])
    await remove(editor, groups[1])


async def test_concurrent_changes_cannot_build_a_cycle(editor: Editor, database: Database) -> None:
    for number in range(5):
        one = await create(editor, GROUP, name=f"one{number}")
        two = await create(editor, GROUP, name=f"two{number}")
        tries = [change(editor, one, parents=[two.pk]), change(editor, two, parents=[one.pk])]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(result, InvalidResource) for result in results) == 1
    rows = await database.fetch("SELECT 1 AS x FROM directory_group_parent")
    assert len(rows) == 5


async def test_deleting_a_user_deletes_memberships_and_tokens(editor: Editor, database: Database) -> None:
    group = await create(editor, GROUP, name="g")
    role = await create(editor, ROLE, name="r")
    user = await create(editor, USER, username="jo", groups=[group.pk], roles=[role.pk])
    await create(editor, TOKEN, identifier="t", user=user.pk)
    await remove(editor, user)
    for table in ("directory_user", "directory_user_group", "directory_user_role", "directory_token"):
        assert await database.fetch(f"SELECT 1 AS x FROM {table}") == []
    assert await Events(database).count(EventFilter(action="model_deleted")) == 2
    recreated = await create(editor, USER, username="jo")
    assert recreated.pk != user.pk


async def test_deleting_a_group_or_role_deletes_its_links(editor: Editor, database: Database) -> None:
    role = await create(editor, ROLE, name="r")
    group = await create(editor, GROUP, name="g", roles=[role.pk])
    child = await create(editor, GROUP, name="child", parents=[group.pk])
    user = await create(editor, USER, username="jo", groups=[group.pk], roles=[role.pk])
    await remove(editor, group)
    await remove(editor, role)
    for table in ("directory_user_group", "directory_user_role", "directory_group_role", "directory_group_parent"):
        assert await database.fetch(f"SELECT 1 AS x FROM {table}") == []
    for stored in (child, user):
        reread = await read(editor, stored)
        assert reread is not None


async def test_deactivating_a_user_ends_the_sessions(editor: Editor, database: Database) -> None:
    from ostiary.sessions.cookie import CookieSettings
    from ostiary.sessions.sessions import SessionLogin, Sessions
    from ostiary.web.request import Request

    user = await create(editor, USER, username="jo")
    sessions = Sessions(database, CookieSettings())
    request = Request()
    proof = SessionLogin(user=int(user.pk), who={}, auth_method="password")
    await sessions.sign_in(request, await sessions.ensure(request, NOW), proof, now=NOW)
    await change(editor, user, name="still active")
    assert len(await sessions.list(int(user.pk), NOW)) == 1
    await change(editor, user, is_active=False)
    assert await sessions.list(int(user.pk), NOW) == []


async def test_a_disabled_or_deleted_user_runs_the_hooks(
    editor: Editor, database: Database, passwords: Passwords, sealer: Sealer
) -> None:
    ended: list[int] = []

    def hook(user: int, now: int) -> list[Statement]:
        assert now > NOW
        ended.append(user)
        return [Statement("SELECT 1 AS x")]

    hooked = Editor(editor.plane, backends(database, passwords, sealer, on_disabled=[hook]), audit_changes)
    jo = await create(hooked, USER, username="jo")
    mo = await create(hooked, USER, username="mo")
    await change(hooked, jo, name="active still")
    assert ended == []
    await change(hooked, jo, is_active=False)
    await remove(hooked, jo)
    await change(hooked, mo, password=Secret("correct horse"))
    await change(hooked, mo, password=Secret("correct horse"))
    assert ended == [jo.pk, mo.pk], "the same password changes nothing"
    await remove(hooked, mo)
    assert ended == [jo.pk, mo.pk, mo.pk]


async def test_a_row_changed_meanwhile_is_a_conflict(editor: Editor) -> None:
    user = await create(editor, USER, username="jo")
    group = await create(editor, GROUP, name="g")
    for stored, values in ((user, {"name": "mine"}), (group, {"name": "mine"})):
        slow = await editor.open()
        current = await slow.get(stored.kind.name, stored.pk)
        assert current is not None
        await slow.update(current, values)
        await change(editor, stored, now=NOW, attributes={"theirs": 1})
        with pytest.raises(Conflict):
            await slow.commit(author="test", message="", now=NOW)


async def test_ten_concurrent_edits_are_all_applied(editor: Editor) -> None:
    user = await create(editor, USER, username="jo")

    async def add(number: int) -> None:
        async def work(workspace: Workspace) -> None:
            current = await workspace.get(USER, user.pk)
            assert current is not None
            old = current.values["attributes"]
            assert isinstance(old, dict)
            await workspace.update(current, {"attributes": {**old, str(number): 1}})

        await editor.edit(work, author="test", message="", now=NOW)

    await asyncio.gather(*(add(number) for number in range(5)))
    current = await read(editor, user)
    assert current is not None
    assert current.values["attributes"] == {str(number): 1 for number in range(5)}


@pytest.mark.parametrize(
    ("kind", "lookups", "names"),
    [
        (USER, [("username", "JO")], ["jo"]),
        (USER, [("username", 5)], []),
        (USER, [("email", "jo@example.org")], ["jo"]),
        (USER, [("email", "JO@example.org")], []),
        (USER, [("path", "users"), ("type", "internal")], ["jo", "mo"]),
        (USER, [("attributes", {"team": {"name": "red"}})], ["mo"]),
        (USER, [("attributes__size", 3)], ["jo"]),
        (USER, [("groups__name", "g")], ["jo"]),
        (USER, [("is_active", True)], ["jo", "mo"]),
        (GROUP, [("name", "g")], ["g"]),
        (GROUP, [("name", "G")], []),
        (GROUP, [("is_superuser", False)], ["g"]),
        (TOKEN, [("identifier", "t")], ["t"]),
        (TOKEN, [("user__username", "JO")], ["t"]),
        (TOKEN, [("user__username", "mo")], []),
        (TOKEN, [("intent", "api"), ("managed", None)], ["t"]),
    ],
)
async def test_look_ups(editor: Editor, kind: str, lookups: list[tuple[str, object]], names: list[str]) -> None:
    group = await create(editor, GROUP, name="g")
    jo = await create(editor, USER, username="jo", email="jo@example.org", groups=[group.pk], attributes={"size": 3})
    await create(editor, USER, username="mo", attributes={"team": {"name": "red", "x": 1}})
    await create(editor, TOKEN, identifier="t", user=jo.pk, intent="api")
    workspace = await editor.open()
    assert [one.label for one in await workspace.match(kind, lookups)] == names


async def test_a_token_gets_a_default_key_and_expiry(editor: Editor, database: Database, sealer: Sealer) -> None:
    user = await create(editor, USER, username="jo")
    await create(editor, TOKEN, identifier="made", user=user.pk, intent="api")
    await create(editor, TOKEN, identifier="given", user=user.pk, intent="app_password", key="000123", expiring=False)
    await create(editor, TOKEN, identifier="silent", user=user.pk)
    tokens = Tokens(database, sealer)
    made, given, silent = [await tokens.get(name) for name in ("made", "given", "silent")]
    assert made is not None
    assert given is not None
    assert silent is not None
    assert (made.expires, given.expires, silent.expires) == (NOW + LIFETIME, None, NOW + LIFETIME)
    key = tokens.reveal(made)
    assert key is not None
    assert len(key.reveal()) == 60
    assert await tokens.bearer(key, NOW) is not None
    assert await tokens.app_password(int(user.pk), Secret("000123"), NOW)
    assert (silent.intent, tokens.reveal(silent)) == ("verification", None)
    stored = await (await editor.open()).find(TOKEN, [("identifier", "made")])
    assert stored is not None
    await change(editor, stored, description="changed")
    assert await tokens.bearer(key, NOW) is not None
    for one in await Events(database).search(EventFilter()):
        assert key.reveal() not in str(one.context)


async def test_manually_assigned_numbers_are_skipped(editor: Editor) -> None:
    async def work(workspace: Workspace) -> StoredObject:
        return await workspace.create(USER, {"username": "imported"}, pk=1)

    stored, _ = await editor.edit(work, author="test", message="", now=NOW)
    assert stored.pk == 1
    assert (await create(editor, USER, username="next")).pk == 2


async def test_hierarchy_changes_are_serialized(postgres_server: PostgresServer, postgres_template: str) -> None:
    """Transactions that do not see each other's rows could build a cycle. They wait for one shared row."""
    config = postgres_server.create_database(postgres_template)
    one, two = await open_postgresql(config), await open_postgresql(config)

    def slow() -> Batch[None]:
        yield from run(list(members.parents("one", None, {"parents": ["two"]})))
        yield Statement("SELECT CAST(pg_sleep(0.5) AS TEXT) AS x")

    first = asyncio.ensure_future(one.write(slow))
    await asyncio.sleep(0.2)
    with pytest.raises(InvalidResource):
        await two.write(lambda: run(list(members.parents("two", None, {"parents": ["one"]}))))
    await first
    await one.close()
    await two.close()
    postgres_server.drop_database(config)
