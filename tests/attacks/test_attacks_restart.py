"""A49: a restart in the middle of a sign-in. People go on, or begin again; nobody meets a loop or an error."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path

import pytest
from attacks_house import LOGIN, PASSWORD, Answer, House, open_house

from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run

PAGE = f"/if/flow/{LOGIN}/"


async def who(house: House) -> str | None:
    """Whose session the browser has, or None."""
    answer = await house.call("GET", "/api/v3/core/users/me/")
    return answer.json()["user"]["username"] if answer.status == 200 else None


def hidden(page: Answer) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.body.decode())
    return {name: html.unescape(value) for name, value in found}


async def submit(house: House, page: Answer, **typed: str) -> Answer:
    """Send the form of a page, and follow where it leads."""
    answer = await house.call("POST", PAGE, form={**hidden(page), **typed})
    assert answer.status in {302, 303}, answer.status
    return await house.call("GET", answer.header("location") or "")


async def restarted(house: House, folder: Path) -> House:
    """The same data and the same browser, in another process."""
    await house.close()
    after = await open_house(folder)
    after.cookies = house.cookies
    return after


async def opened(template: Path, folder: Path) -> House:
    shutil.copytree(template, folder / "data")
    house = await open_house(folder)
    await house.user("ada")
    return house


async def test_a49_a_form_shown_before_a_restart_is_taken_after_it(house_template: Path, tmp_path: Path) -> None:
    house = await opened(house_template, tmp_path)
    page = await house.call("GET", PAGE)
    house = await restarted(house, tmp_path)
    page = await submit(house, page, uid_field="ada")
    assert hidden(page)["_component"] == "ak-stage-password"
    house = await restarted(house, tmp_path)
    await submit(house, page, password=PASSWORD)
    assert await who(house) == "ada"
    house = await restarted(house, tmp_path)
    assert await who(house) == "ada"
    await house.close()


async def test_a49_a_plan_that_cannot_be_read_is_begun_again(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """As after another version of the program, or with another secret key."""
    await house.user("ada")
    page = await submit(house, await house.call("GET", PAGE), uid_field="ada")
    await house.core.database.write(lambda: run([Statement("UPDATE flow_tab_plan SET body = ?", ("another version",))]))
    page = await submit(house, page, password=PASSWORD)
    assert "a plan of flow default-authentication-flow cannot be read" in caplog.text
    assert await who(house) is None
    assert hidden(page)["_component"] == "ak-stage-identification"
    page = await submit(house, page, uid_field="ada")
    await submit(house, page, password=PASSWORD)
    assert await who(house) == "ada"
