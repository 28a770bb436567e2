from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest
from support.explain import explain
from support.people import NOW, People

from ostiary.directory.case_key import case_key
from ostiary.directory.install import install_id
from ostiary.directory.user import merge_attributes, uid_of
from ostiary.directory.users import BY_LOGIN, DIRECT, DIRECT_NAMED, SUBJECT, Users, signed_in
from ostiary.store.database import Batch, Database, Duplicate, Statement, Value
from ostiary.store.sqlite.database import open_sqlite
from ostiary.store.workspace.commit import run


async def test_a_user_is_found_by_number_uuid_and_name(people: People, users: Users) -> None:
    user = await people.user("Jo", email="Jo@Example.org", attributes={"upn": "JO@corp", "x": {"y": [1]}})
    assert await users.get(user.pk) == user
    assert await users.by_uuid(user.uuid) == user
    assert await users.by_username("JO") == user
    assert await users.get(999) is None
    assert await users.by_uuid("x") is None
    assert "!" not in repr(user)


@pytest.mark.parametrize("typed", ["jo", "JO", "jo@example.org", "JO@EXAMPLE.ORG", "jo@corp", "ｊｏ"])
async def test_login_ignores_case_and_unicode_spelling(people: People, users: Users, typed: str) -> None:
    user = await people.user("Jo", email="jo@example.org", attributes={"upn": "jo@corp"})
    await people.user("other")
    assert await users.by_login(["username", "email", "upn"], typed) == user


async def test_login_matches_only_the_given_fields(people: People, users: Users) -> None:
    user = await people.user("jo", email="jo@example.org")
    assert await users.by_login(["username"], "jo@example.org") is None
    assert await users.by_login(["email"], "jo") is None
    assert await users.by_login([], "jo") is None
    assert await users.by_login(["nonsense"], "jo") is None
    assert await users.by_login(["username", "email"], "JO", caseless=False) is None
    assert await users.by_login(["username", "email"], "jo", caseless=False) == user


@pytest.mark.parametrize("typed", ["", "\0", "jo\0", "\ud800", "%", "_o", "' OR 1=1 --"])
async def test_malformed_input_matches_nobody(people: People, users: Users, typed: str) -> None:
    await people.user("jo")
    assert await users.by_login(["username", "email", "upn"], typed) is None


async def test_an_empty_address_matches_nobody(people: People, users: Users) -> None:
    await people.user("jo", email="", attributes={"upn": 5})
    assert await users.by_login(["email", "upn"], "") is None


async def test_an_address_of_several_users_matches_none(people: People, users: Users) -> None:
    await people.user("a", email="shared@example.org")
    await people.user("b", email="Shared@example.org")
    assert await users.by_login(["username", "email"], "shared@example.org") is None


async def test_a_username_takes_precedence_over_another_users_address(people: People, users: Users) -> None:
    await people.user("a", email="name@example.org")
    named = await people.user("name@example.org")
    assert await users.by_login(["email", "username"], "name@example.org") == named


async def test_usernames_are_unique_in_any_case(people: People) -> None:
    await people.user("Straße")
    with pytest.raises(Duplicate):
        await people.user("STRASSE")


def test_case_key_is_stable() -> None:
    for text in ("Straße", "ﬁ", "Å", "İ", "ẞ", "ͅ"):
        assert case_key(case_key(text)) == case_key(text)
    assert case_key("Å") == case_key("å")


async def test_subject_reaches_all_ancestors(people: People, users: Users) -> None:
    user = await people.user("jo", attributes={"own": 1, "deep": {"b": 2}, "list": [3]})
    stranger = await people.user("stranger")
    top = await people.group("top", superuser=True, attributes={"deep": {"a": 1, "b": 1}, "list": [1]})
    left = await people.group("left", parents=(top,))
    right = await people.group("right", parents=(top,), users=(user,), attributes={"list": [2], "own": 0})
    leaf = await people.group("leaf", parents=(left, right), users=(user,))
    await people.group("elsewhere", users=(stranger,))
    subject = await users.subject(user.pk)
    assert subject is not None
    assert subject.user == user
    assert [group.name for group in subject.groups] == ["leaf", "right"]
    assert [group.name for group in subject.every_group] == ["leaf", "left", "right", "top"]
    assert subject.all_groups == {top, left, right, leaf}
    assert subject.all_group_names == {"top", "left", "right", "leaf"}
    assert subject.is_superuser
    assert subject.attributes == {"own": 1, "deep": {"a": 1, "b": 2}, "list": [2, 1, 3]}
    assert subject.uid == uid_of(user.pk, users.install_id)
    other = await users.subject(stranger.pk)
    assert other is not None
    assert not other.is_superuser


async def test_a_subject_without_groups(people: People, users: Users) -> None:
    user = await people.user("jo")
    subject = await users.subject(user.pk)
    assert subject is not None
    assert (subject.groups, subject.all_groups, subject.is_superuser) == ((), frozenset(), False)
    assert await users.subject(999) is None


async def test_subject_is_one_round_trip(people: People, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await people.user("jo")
    await people.group("g", users=(user,))
    calls: list[str] = []
    fetch = database.fetch

    async def counting(sql: str, *parameters: object) -> object:
        calls.append(sql)
        return await fetch(sql, *parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "fetch", counting)
    assert await Users(database, install_id="x").subject(user.pk) is not None
    assert len(calls) == 1


def test_uid() -> None:
    assert uid_of(5, "abc") == hashlib.sha256(b"5-abc").hexdigest()


def test_merge_does_not_change_its_arguments() -> None:
    below: dict[str, object] = {"a": {"b": [1]}}
    assert merge_attributes(below, {"a": {"b": [2]}, "c": None}) == {"a": {"b": [1, 2]}, "c": None}
    assert below == {"a": {"b": [1]}}
    assert merge_attributes({"a": 1}, {"a": {"b": 1}}) == {"a": {"b": 1}}


async def test_the_install_id_is_generated_once(database: Database) -> None:
    first = await install_id(database)
    assert uuid.UUID(first).version == 4
    assert await install_id(database) == first


async def test_pages_and_search(people: People, users: Users) -> None:
    created = [await people.user(f"user{number}", email=f"u{number}@example.org") for number in range(5)]
    assert await users.page(limit=2) == created[:2]
    assert await users.page(after=created[1].pk, limit=2) == created[2:4]
    assert await users.page(search="USER3") == [created[3]]
    assert await users.page(search="u4@EXAMPLE") == [created[4]]
    assert await users.page(search="%") == []
    assert await users.page(search="_ser1") == []


async def test_the_time_of_a_sign_in_is_stored(people: People, users: Users, database: Database) -> None:
    user = await people.user("jo")
    await database.write(lambda: run([signed_in(user, NOW + 5, error=ValueError)]))
    stored = await users.get(user.pk)
    assert stored is not None
    assert (stored.last_login, stored.last_updated) == (NOW + 5, NOW)


async def test_hot_statements_use_an_index(database: Database) -> None:
    plans = [await explain(database, sql, "jo") for sql in BY_LOGIN.values()]
    plans.append(await explain(database, " UNION ".join(BY_LOGIN.values()), "jo", "jo", "jo"))
    plans.append(await explain(database, SUBJECT, 1, 1))
    plans.append(await explain(database, DIRECT, 1))
    plans.append(await explain(database, DIRECT_NAMED, "jo"))
    for plan in plans:
        if database.dialect == "sqlite":
            scans = [
                line for line in plan.splitlines() if line.startswith("SCAN directory") or line in {"SCAN u", "SCAN g"}
            ]
            assert scans == [], plan
        else:
            assert "Seq Scan on" not in plan, plan


async def _disable(database: Database, pk: int) -> None:
    def batch() -> Batch[None]:
        yield Statement("UPDATE directory_user SET is_active = 0 WHERE pk = ?", (pk,))

    await database.write(batch)


async def test_a_cached_subject_is_the_current_one(people: People, users: Users, database: Database) -> None:
    user = await people.user("jo")
    before = await users.subject(user.pk)
    assert before is not None
    assert before.user.is_active
    await database.write(partial(_count, "something else"))
    assert await users.subject(user.pk) is before  # equal rows are the same value
    await _disable(database, user.pk)
    after, named = await users.subject(user.pk), await users.subject_named("JO")
    assert after is not None
    assert named is after
    assert not after.user.is_active


def _count(name: str) -> Batch[None]:
    yield Statement("INSERT INTO counter (name, value) VALUES (?, 1)", (name,))


async def test_concurrent_reads_return_the_identical_subject(people: People, database: Database) -> None:
    user = await people.user("jo")
    await people.group("g", users=(user,))
    many = [Users(database, install_id="x") for _ in range(8)]
    first, *others = await asyncio.gather(*(users.subject(user.pk) for users in many))
    assert first is not None
    assert all(other is first for other in others)


async def test_an_unchanged_directory_is_not_read_again(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await People(sqlite_database).user("jo")
    users = Users(sqlite_database, install_id="x")
    before = await users.subject(user.pk)
    await sqlite_database.write(partial(_count, "something else"))

    async def refuse(*_: object) -> object:
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_database, "fetch", refuse)
        assert await users.subject(user.pk) is before


@pytest.mark.parametrize("where", ["another process", "the writer's thread", "this process, elsewhere"])
async def test_a_change_by_another_process_is_seen_at_once(sqlite_database: Database, where: str) -> None:
    user = await People(sqlite_database).user("jo")
    users = Users(sqlite_database, install_id="x")
    assert await users.subject(user.pk) is not None
    path: Path = sqlite_database._path  # type: ignore[attr-defined]
    match where:
        case "another process":
            change = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()"
            command = [sys.executable, "-c", change, str(path), "UPDATE directory_user SET is_active = 0"]
            await asyncio.to_thread(subprocess.run, command, check=True)
        case "the writer's thread":
            await asyncio.to_thread(asyncio.run, _disable(sqlite_database, user.pk))
        case _:
            other = await open_sqlite(path)
            await _disable(other, user.pk)
            await other.close()
    subject = await users.subject(user.pk)
    assert subject is not None
    assert not subject.user.is_active


async def test_a_change_during_a_read_is_not_lost(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await People(sqlite_database).user("jo")
    users = Users(sqlite_database, install_id="x")
    fetch = sqlite_database.fetch

    async def slow(sql: str, *parameters: Value) -> object:
        rows = await fetch(sql, *parameters)
        monkeypatch.setattr(sqlite_database, "fetch", fetch)
        await _disable(sqlite_database, user.pk)
        await users.subject_named("nobody")  # a concurrent read
        return rows

    monkeypatch.setattr(sqlite_database, "fetch", slow)
    await users.subject(user.pk)  # the state at the time of the query
    subject = await users.subject(user.pk)
    assert subject is not None
    assert not subject.user.is_active
