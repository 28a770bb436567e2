"""People find where they change their password: from their applications, and from a recovery link."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attacks_house import PASSWORD, House, open_house
from test_attacks_tabs import Tab

from ostiary.app.core import clock
from ostiary.flows.stages.password import PasswordStage

FRESH = "a fresh long secret"
CHANGE = re.compile(r'<a [^>]*href="([^"]*)">Change password</a>')


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    opened = await open_house(tmp_path)
    await opened.user("ada")
    yield opened
    await opened.close()


async def choose(tab: Tab) -> None:
    """Fill in the form that asks for a new password, and come to the applications."""
    assert "Change your password" in tab.text
    await tab.send(password=FRESH, password_repeat=FRESH)
    assert urlsplit(tab.url).path == "/if/user/"


async def can_sign_in(house: House, password: str) -> bool:
    stranger = Tab(house.another_browser())
    await stranger.open("/if/user/")
    await stranger.send(uid_field="ada")
    await stranger.send(password=password)
    return urlsplit(stranger.url).path == "/if/user/"


async def test_the_applications_lead_to_a_password_change(house: House) -> None:
    tab = await (await Tab(house).open("/if/user/")).sign_in("ada")
    found = CHANGE.search(tab.text)
    assert found is not None
    await tab.open(html.unescape(found[1]))
    await choose(tab)
    assert await can_sign_in(house, FRESH)
    assert not await can_sign_in(house, PASSWORD)


@pytest.mark.parametrize("without_mfa", [True, False])
async def test_a_recovery_link_leads_where_it_says(house: House, without_mfa: bool) -> None:
    key = await house.core.accounts.recovery_link("ada", without_mfa=without_mfa, now=clock())
    tab = await Tab(house).open(f"/recovery/use-token/{key.reveal()}/")
    assert "leads to where you choose a new password" in tab.text
    await choose(await tab.send())
    assert await can_sign_in(house, FRESH)


async def test_without_such_a_flow_nothing_is_promised(house: House) -> None:
    for stage in house.core.plane.snapshot.all(PasswordStage):
        await house.edit(PasswordStage.KIND.name, str(stage.pk), configure_flow=None)
    key = await house.core.accounts.recovery_link("ada", without_mfa=True, now=clock())
    tab = await Tab(house).open(f"/recovery/use-token/{key.reveal()}/")
    assert "This link signs you in once." in tab.text
    await tab.send()
    assert urlsplit(tab.url).path == "/if/user/"
    assert CHANGE.search(tab.text) is None
