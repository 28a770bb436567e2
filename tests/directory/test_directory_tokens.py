from __future__ import annotations

import asyncio
import uuid

import pytest
from support.explain import explain
from support.people import NOW, People

from ostiary.directory.accounts import Accounts
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import USER
from ostiary.directory.tokens import (
    BEARER,
    KEY_LENGTH,
    LIFETIME,
    MINUTE,
    Recovery,
    Token,
    Tokens,
    insert,
    new_key,
    recovery_link,
    seal_key,
    sweep,
)
from ostiary.directory.user import User
from ostiary.directory.users import Users
from ostiary.events.repository import EventFilter, Events
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Database, Duplicate
from ostiary.store.hashing import token_hash
from ostiary.store.workspace.commit import run
from ostiary.store.workspace.editor import Editor, Workspace


@pytest.fixture
def tokens(database: Database, sealer: Sealer) -> Tokens:
    return Tokens(database, sealer)


async def stored_token(database: Database, sealer: Sealer, user: User, **fields: object) -> tuple[Secret, Token]:
    key, pk = new_key(), str(uuid.uuid4())
    values: dict[str, object] = {
        "pk": pk,
        "identifier": f"t-{pk}",
        "intent": "api",
        "user": user.pk,
        "expires": NOW + MINUTE,
        "key_hash": token_hash(key.reveal()),
        "key_sealed": seal_key(sealer, pk, key),
    }
    token = Token(**{**values, **fields})  # type: ignore[arg-type]
    await database.write(lambda: run([insert(token)]))
    return key, token


def test_keys_are_sixty_letters_and_digits() -> None:
    key = new_key().reveal()
    assert len(key) == KEY_LENGTH == 60
    assert key.isalnum()
    assert key.isascii()


async def test_a_key_authenticates_its_user(database: Database, sealer: Sealer, people: People, tokens: Tokens) -> None:
    user = await people.user("jo")
    key, token = await stored_token(database, sealer, user)
    bearer = await tokens.bearer(key, NOW)
    assert bearer is not None
    assert (bearer.token, bearer.user) == (token, user)
    assert await tokens.get(token.identifier) == token
    assert tokens.reveal(token) == key
    assert key.reveal() not in repr(token)


async def test_a58_an_expired_token_or_another_intent_authenticates_nobody(
    database: Database, sealer: Sealer, people: People, tokens: Tokens
) -> None:
    user = await people.user("jo")
    inactive = await people.user("gone", is_active=False)
    expired, _ = await stored_token(database, sealer, user, expires=NOW)
    undated, _ = await stored_token(database, sealer, user, expires=None)
    app, _ = await stored_token(database, sealer, user, intent="app_password")
    off, _ = await stored_token(database, sealer, inactive)
    for key in (expired, undated, app, off, Secret(""), Secret("\ud800"), new_key()):
        assert await tokens.bearer(key, NOW) is None
    assert await tokens.app_password(user.pk, app, NOW)
    assert not await tokens.app_password(inactive.pk, app, NOW)
    endless, _ = await stored_token(database, sealer, user, expiring=False, expires=None)
    assert await tokens.bearer(endless, NOW * 2) is not None


async def test_the_database_never_sees_a_key(database: Database, sealer: Sealer, people: People) -> None:
    user = await people.user("jo")
    key, _ = await stored_token(database, sealer, user)
    link, statement = recovery_link(user, without_mfa=False, now=NOW)
    await database.write(lambda: run([statement]))
    for row in await database.fetch("SELECT * FROM directory_token"):
        for column in range(11):
            assert key.reveal() not in str(row[column])
            assert link.reveal() not in str(row[column])
    sealed = await database.fetch("SELECT key_sealed FROM directory_token WHERE intent = 'recovery'")
    assert sealed[0]["key_sealed"] is None


async def test_a_sealed_key_is_bound_to_its_token(
    database: Database, sealer: Sealer, people: People, tokens: Tokens
) -> None:
    from dataclasses import replace

    from ostiary.seal.envelope import Tampered

    _, token = await stored_token(database, sealer, await people.user("jo"))
    with pytest.raises(Tampered):
        tokens.reveal(replace(token, pk=str(uuid.uuid4())))


async def test_identifiers_are_unique(database: Database, sealer: Sealer, people: People) -> None:
    user = await people.user("jo")
    await stored_token(database, sealer, user, identifier="same")
    with pytest.raises(Duplicate):
        await stored_token(database, sealer, user, identifier="same")


@pytest.mark.parametrize("without_mfa", [True, False])
async def test_a31_of_fifty_uses_of_a_recovery_link_one_succeeds(
    database: Database, people: People, tokens: Tokens, without_mfa: bool
) -> None:
    user = await people.user("jo")
    key, statement = recovery_link(user, without_mfa=without_mfa, now=NOW)
    await database.write(lambda: run([statement]))
    results = await asyncio.gather(*(tokens.consume_recovery(key, NOW + MINUTE) for _ in range(50)))
    assert [one for one in results if one is not None] == [Recovery(user.pk, without_mfa)]


async def test_a31_a_recovery_link_expires_and_is_no_other_token(
    database: Database, people: People, tokens: Tokens
) -> None:
    user = await people.user("jo")
    key, statement = recovery_link(user, without_mfa=False, now=NOW, minutes=5)
    await database.write(lambda: run([statement]))
    assert await tokens.bearer(key, NOW) is None
    assert not await tokens.app_password(user.pk, key, NOW)
    assert await tokens.consume_recovery(key, NOW + 5 * MINUTE) is None
    assert await tokens.consume_recovery(key, NOW + 5 * MINUTE - 1) == Recovery(user.pk, without_mfa=False)


@pytest.mark.parametrize("end", ["use", "set_password", "revoke", "write_password", "deactivate"])
async def test_a73_older_recovery_links_end(
    database: Database,
    people: People,
    *,
    tokens: Tokens,
    users: Users,
    passwords: Passwords,
    editor: Editor,
    end: str,
) -> None:
    user, other = await people.user("jo"), await people.user("other")
    keys = []
    for owner in (user, user, other):
        key, statement = recovery_link(owner, without_mfa=False, now=NOW)
        await database.write(lambda one=statement: run([one]))  # type: ignore[misc]
        keys.append(key)
    accounts = Accounts(database, users, passwords)

    async def write(workspace: Workspace) -> None:
        current = await workspace.get(USER, user.pk)
        assert current is not None
        values = {"password": Secret("another horse battery")} if end == "write_password" else {"is_active": False}
        await workspace.update(current, values)

    match end:
        case "use":
            assert await tokens.consume_recovery(keys[1], NOW) is not None
        case "set_password":
            await accounts.set_password("jo", Secret("another horse battery"), now=NOW)
        case "revoke":
            await accounts.revoke("jo", now=NOW)
        case _:
            await editor.edit(write, author="test", message="", now=NOW)
    assert await tokens.consume_recovery(keys[0], NOW) is None
    assert await tokens.consume_recovery(keys[2], NOW) is not None


async def test_a20_an_api_key_is_no_recovery_link(
    database: Database, sealer: Sealer, people: People, tokens: Tokens
) -> None:
    key, _ = await stored_token(database, sealer, await people.user("jo"))
    assert await tokens.consume_recovery(key, NOW) is None
    assert await tokens.bearer(key, NOW) is not None


async def test_expired_tokens_are_deleted_and_expired_api_keys_rotated(
    database: Database, sealer: Sealer, people: People, tokens: Tokens
) -> None:
    user = await people.user("jo")
    old, api = await stored_token(database, sealer, user)
    _, expired = await stored_token(database, sealer, user, intent="app_password")
    _, permanent = await stored_token(database, sealer, user, intent="app_password", expiring=False, expires=None)
    later = NOW + MINUTE
    await database.write(lambda: run([sweep(later)]))
    assert await tokens.get(expired.identifier) is None
    assert await tokens.get(permanent.identifier) is not None
    counts = await asyncio.gather(tokens.rotate_expired(later), tokens.rotate_expired(later))
    assert max(counts) == 1
    assert await tokens.bearer(old, later) is None
    fresh = await tokens.get(api.identifier)
    assert fresh is not None
    assert fresh.expires == later + LIFETIME
    key = tokens.reveal(fresh)
    assert key is not None
    assert await tokens.bearer(key, later) is not None
    assert await Events(database).count(EventFilter(action="secret_rotate")) == 1


async def test_hot_statements_use_an_index(database: Database) -> None:
    plan = await explain(database, BEARER, b"x")
    assert "SCAN" not in plan
    assert "Seq Scan on" not in plan
    sql = "DELETE FROM directory_token WHERE key_hash = ? AND intent = 'recovery' AND expires > ?"
    plan = await explain(database, sql, b"x", 5)
    assert "SCAN" not in plan
    assert "Seq Scan on" not in plan
