from __future__ import annotations

import pytest
from support.people import NOW, People

from ostiary.directory.accounts import Accounts
from ostiary.directory.errors import PasswordTooLong, UnknownGroup, UnknownUser, UsernameTaken
from ostiary.directory.passwords.credentials import Credentials
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.tokens import Recovery, Tokens
from ostiary.directory.users import Users
from ostiary.events.repository import EventFilter, Events
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.database import Database


@pytest.fixture
def accounts(database: Database, users: Users, passwords: Passwords) -> Accounts:
    return Accounts(database, users, passwords)


async def test_create_and_list(accounts: Accounts, people: People, users: Users, passwords: Passwords) -> None:
    group = await people.group("admins")
    user = await accounts.create("jo", email="jo@example.org", password=Secret("0123"), groups=["admins"], now=NOW)
    assert await users.get(user.pk) == user
    assert (user.name, user.type) == ("jo", "internal")
    assert (await passwords.verify(Secret("0123"), user.password)).ok
    subject = await users.subject(user.pk)
    assert subject is not None
    assert subject.all_groups == {group}
    other = await accounts.create("mo", now=NOW)
    assert not other.has_password
    assert [one.username async for one in accounts.list()] == ["jo", "mo"]
    assert [one.username async for one in accounts.list(search="MO")] == ["mo"]


async def test_errors_name_the_missing_or_taken_object(accounts: Accounts, people: People) -> None:
    await accounts.create("jo", now=NOW)
    await people.group("g")
    with pytest.raises(UsernameTaken, match="JO"):
        await accounts.create("JO", now=NOW)
    with pytest.raises(UnknownGroup, match="nobody"):
        await accounts.create("mo", groups=["nobody"], now=NOW)
    with pytest.raises(PasswordTooLong):
        await accounts.create("mo", password=Secret("x" * 1025), now=NOW)
    with pytest.raises(UnknownUser, match="mo"):
        await accounts.set_password("mo", Secret("x"), now=NOW)
    with pytest.raises(UnknownUser):
        await accounts.add_to_group("mo", "g", now=NOW)
    with pytest.raises(UnknownGroup):
        await accounts.add_to_group("jo", "none", now=NOW)
    with pytest.raises(UnknownUser):
        await accounts.recovery_link("mo", without_mfa=False, now=NOW)


async def test_set_password_and_add_to_group(
    accounts: Accounts, people: People, users: Users, database: Database, passwords: Passwords
) -> None:
    user = await accounts.create("jo", now=NOW)
    await people.group("g", superuser=True)
    await accounts.set_password("JO", Secret("new"), now=NOW + 5)
    for _ in range(2):
        await accounts.add_to_group("jo", "g", now=NOW)
    subject = await users.subject(user.pk)
    assert subject is not None
    assert subject.is_superuser
    assert subject.user.password_change_date == NOW + 5
    credentials = Credentials(database, passwords)
    assert await credentials.verify(subject.user, Secret("new"))
    assert not await credentials.verify(subject.user, Secret("old"))
    assert await Events(database).count(EventFilter(action="password_set")) == 1


async def test_a_recovery_link_is_logged(accounts: Accounts, database: Database, sealer: Sealer) -> None:
    user = await accounts.create("jo", now=NOW)
    key = await accounts.recovery_link("jo", without_mfa=True, now=NOW)
    (recorded,) = await Events(database).search(EventFilter(action="suspicious_request"))
    assert recorded.context["without_mfa"] is True
    assert key.reveal() not in str(recorded.context)
    assert await Tokens(database, sealer).consume_recovery(key, NOW) == Recovery(user.pk, without_mfa=True)


async def test_an_old_hash_is_renewed_at_sign_in_unless_it_changed(
    people: People, database: Database, passwords: Passwords, users: Users
) -> None:
    import base64
    import hashlib

    digest = hashlib.pbkdf2_hmac("sha256", b"secret", b"salt", 1000)
    user = await people.user("jo", password=f"pbkdf2_sha256$1000$salt${base64.b64encode(digest).decode()}")
    credentials = Credentials(database, passwords)
    assert not await credentials.verify(user, Secret("wrong"))
    assert await users.get(user.pk) == user
    assert await credentials.verify(user, Secret("secret"))
    renewed = await users.get(user.pk)
    assert renewed is not None
    assert renewed.password.startswith("argon2$argon2id$")
    assert renewed.password_change_date == user.password_change_date
    assert await credentials.verify(user, Secret("secret"))
    assert await users.get(user.pk) == renewed
