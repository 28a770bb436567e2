from __future__ import annotations

import asyncio

import pytest
from support.people import NOW, People

from ostiary.directory.errors import PasswordTooLong, SetupClosed
from ostiary.directory.first_run.administrator import GROUP_NAME, USERNAME, create_administrator
from ostiary.directory.first_run.bootstrap import TOKEN_IDENTIFIER, Bootstrap, apply_bootstrap
from ostiary.directory.first_run.setup import LINK_LIFETIME, Setup
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.tokens import Tokens
from ostiary.directory.users import Users
from ostiary.events.repository import EventFilter, Events
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Database

PASSWORD = Secret("12345678")


@pytest.fixture
def setup(database: Database) -> Setup:
    return Setup(database)


async def make(database: Database, passwords: Passwords, token: Secret | None, *, now: int = NOW) -> int:
    return await create_administrator(
        database, passwords, email="a@example.org", password=PASSWORD, token=token, now=now
    )


async def test_a_link_is_valid_for_a_day_and_a_new_one_replaces_it(setup: Setup, database: Database) -> None:
    first = await setup.new_link_token(NOW)
    assert len(first.reveal()) == 22
    assert await setup.is_valid_link(first, NOW + LINK_LIFETIME - 1)
    assert not await setup.is_valid_link(first, NOW + LINK_LIFETIME)
    assert not await setup.is_valid_link(Secret(""), NOW)
    second = await setup.new_link_token(NOW)
    assert await setup.is_valid_link(second, NOW)
    assert not await setup.is_valid_link(first, NOW)
    rows = await database.fetch("SELECT setup_hash FROM directory_install")
    assert second.reveal().encode() not in rows[0]["setup_hash"]


async def test_a39_setup_creates_the_administrator_and_closes_for_good(
    setup: Setup, database: Database, passwords: Passwords, users: Users
) -> None:
    token = await setup.new_link_token(NOW)
    assert not await setup.closed()
    pk = await make(database, passwords, token)
    assert await setup.closed()
    assert not await setup.is_valid_link(token, NOW)
    subject = await users.subject(pk)
    assert subject is not None
    assert (subject.user.username, subject.user.email, subject.is_superuser) == (USERNAME, "a@example.org", True)
    assert subject.all_group_names == {GROUP_NAME}
    assert (await passwords.verify(PASSWORD, subject.user.password)).ok
    with pytest.raises(SetupClosed):
        await setup.new_link_token(NOW)
    for later_token in (token, None):
        with pytest.raises(SetupClosed):
            await make(database, passwords, later_token)
    assert await Events(database).count(EventFilter(action="password_set")) == 1
    assert await Events(database).count(EventFilter(action="model_created")) == 1


async def test_a39_of_twenty_parallel_setups_one_succeeds(setup: Setup, database: Database) -> None:
    passwords = Passwords(workers=2, queue=64)
    token = await setup.new_link_token(NOW)
    results = await asyncio.gather(*(make(database, passwords, token) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, int) for one in results) == 1
    assert sum(isinstance(one, SetupClosed) for one in results) == 19
    rows = await database.fetch("SELECT username FROM directory_user")
    assert len(rows) == 1
    passwords.close()


async def test_a39_a_wrong_or_old_link_writes_nothing(setup: Setup, database: Database, passwords: Passwords) -> None:
    token = await setup.new_link_token(NOW)
    with pytest.raises(SetupClosed):
        await make(database, passwords, Secret("wrong"))
    with pytest.raises(SetupClosed):
        await make(database, passwords, token, now=NOW + LINK_LIFETIME)
    with pytest.raises(PasswordTooLong):
        await create_administrator(database, passwords, email="", password=Secret("x" * 1025), token=token, now=NOW)
    assert await database.fetch("SELECT username FROM directory_user") == []
    assert not await setup.closed()


async def test_setup_uses_an_existing_group(
    setup: Setup, database: Database, passwords: Passwords, users: Users, people: People
) -> None:
    group = await people.group(GROUP_NAME, superuser=True)
    pk = await make(database, passwords, await setup.new_link_token(NOW))
    subject = await users.subject(pk)
    assert subject is not None
    assert subject.all_groups == {group}


async def test_bootstrap_applies_once_and_keeps_leading_zeros(
    setup: Setup, database: Database, passwords: Passwords, sealer: Sealer, users: Users
) -> None:
    settings = Bootstrap(password=Secret("00012345"), token=Secret("0000"), email=None)
    await apply_bootstrap(database, passwords, sealer, settings=settings, now=NOW)
    assert await setup.closed()
    admin = await users.by_username("akadmin")
    assert admin is not None
    assert admin.email == "root@example.com"
    assert (await passwords.verify(Secret("00012345"), admin.password)).ok
    tokens = Tokens(database, sealer)
    bearer = await tokens.bearer(Secret("0000"), NOW * 2)
    assert bearer is not None
    assert (bearer.user.pk, bearer.token.identifier, bearer.token.expiring) == (admin.pk, TOKEN_IDENTIFIER, False)
    other = Bootstrap(password=Secret("other"), token=Secret("other"), email="other@example.org")
    await apply_bootstrap(database, passwords, sealer, settings=other, now=NOW + 1)
    assert await users.by_username("akadmin") == admin
    assert await tokens.bearer(Secret("other"), NOW) is None


async def test_a_bootstrap_token_alone_leaves_the_setup_open(
    setup: Setup, database: Database, passwords: Passwords, sealer: Sealer, users: Users
) -> None:
    settings = Bootstrap(token=Secret("key"))
    await apply_bootstrap(database, passwords, sealer, settings=settings, now=NOW)
    admin = await users.by_username("akadmin")
    assert admin is not None
    assert not admin.has_password
    assert not await setup.closed()
    pk = await make(database, passwords, await setup.new_link_token(NOW))
    assert pk == admin.pk
    user = await users.get(pk)
    assert user is not None
    assert user.has_password
    assert user.email == "a@example.org"
    assert await Tokens(database, sealer).bearer(Secret("key"), NOW) is not None


async def test_no_bootstrap_changes_nothing(
    setup: Setup, database: Database, passwords: Passwords, sealer: Sealer
) -> None:
    await apply_bootstrap(database, passwords, sealer, settings=Bootstrap(), now=NOW)
    assert not await setup.closed()
    assert await database.fetch("SELECT username FROM directory_user") == []
