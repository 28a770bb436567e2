"""A32: a recovery link replaces the password, and nothing else."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from attacks_house import LOGIN, House

from ostiary.app.core import clock
from ostiary.directory.tokens import recovery_link
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.proto import totp
from ostiary.seal import Secret
from ostiary.store.workspace.commit import run


async def who(house: House) -> str | None:
    """Whose session the browser has, or None."""
    answer = await house.call("GET", "/api/v3/core/users/me/")
    return answer.json()["user"]["username"] if answer.status == 200 else None


async def enrolled(house: House) -> Secret:
    """Make ada, who has an authenticator; return its key."""
    user = await house.user("ada")
    kind = house.core.devices.kind(TotpAuthenticator)
    key = kind.new_key()
    await house.core.database.write(lambda: run([kind.add(user=user, name="phone", key=key, now=clock())]))
    return key


async def follow_link(house: House, *, without_mfa: bool) -> str:
    """Use a new recovery link of ada's; return where it leads."""
    person = await house.core.users.by_username("ada")
    assert person is not None
    key, statement = recovery_link(person, without_mfa=without_mfa, now=clock())
    await house.core.database.write(lambda: run([statement]))
    page = await house.call("GET", f"/recovery/use-token/{key.reveal()}/")
    token = re.search(rb'name="_form_token" value="([^"]+)"', page.body)
    assert token is not None
    answer = await house.call("POST", f"/recovery/use-token/{key.reveal()}/", form={"_form_token": token[1].decode()})
    assert answer.status == 303
    return answer.header("location") or ""


async def test_a32_a_recovery_link_leaves_the_second_factor(house: House) -> None:
    key = await enrolled(house)
    query = urlsplit(await follow_link(house, without_mfa=False)).query
    assert await who(house) is None
    challenge = await house.flow(LOGIN, query)
    assert challenge["component"] == "ak-stage-authenticator-validate"
    code = totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(clock()), 6)
    await house.reply(LOGIN, query, component="ak-stage-authenticator-validate", code=code)
    await house.flow(LOGIN, query)
    assert await who(house) == "ada"


async def test_a_link_that_says_so_does_without_the_second_factor(house: House) -> None:
    await enrolled(house)
    await follow_link(house, without_mfa=True)
    assert await who(house) == "ada"
