"""Break-glass codes: each lets a superuser in once, from its own form, and nobody overlooks it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from attacks_house import PASSWORD, Answer, House

from ostiary.app.core import clock
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.seal import Secret
from ostiary.signon.break_glass.codes import USED, BreakGlassCodes, code_hash, new_code
from ostiary.store.workspace.commit import run

PAGE = "/recovery/break-glass/"


async def who(house: House) -> str | None:
    """Whose session the browser has, or None."""
    answer = await house.call("GET", "/api/v3/core/users/me/")
    return str(answer.json()["user"]["username"]) if answer.status == 200 else None


async def administrator(house: House, name: str = "ada") -> Any:
    """Make a superuser."""
    await house.user(name)
    await house.core.accounts.add_to_group(name, "authentik Admins", now=clock())
    return await house.core.users.by_username(name)


async def codes_of(house: House, user: Any, number: int = 2) -> list[Secret]:
    return await house.core.services[BreakGlassCodes].create(user, number, now=clock())


async def form(house: House) -> str:
    page = await house.call("GET", PAGE)
    token = re.search(rb'name="_form_token" value="([^"]+)"', page.body)
    assert token is not None
    return token[1].decode()


async def enter(house: House, code: str, **more: Any) -> Answer:
    return await house.call("POST", PAGE, form={"_form_token": await form(house), "code": code}, **more)


async def events(house: House, action: str) -> int:
    rows = await house.core.database.fetch("SELECT pk FROM event WHERE action = ?", action)
    return len(rows)


async def test_a31_a_code_works_once_and_needs_nothing_else(house: House) -> None:
    ada = await administrator(house)
    kind = house.core.devices.kind(TotpAuthenticator)
    await house.core.database.write(lambda: run([kind.add(user=ada.pk, name="phone", key=kind.new_key(), now=clock())]))
    first, second = await codes_of(house, ada)
    entered = await enter(house, first.reveal())
    assert (entered.status, entered.header("location")) == (303, "/if/user/")
    assert await who(house) == "ada"
    other = house.another_browser()
    refused = await enter(other, first.reveal())
    assert refused.status == 400
    assert b"This code is not valid, or it was used before." in refused.body
    assert await who(other) is None
    assert (await enter(other, second.reveal().lower().replace("-", " "))).status == 303
    assert await who(other) == "ada"


async def test_a31_of_two_at_once_one_gets_in(house: House) -> None:
    ada = await administrator(house)
    (code,) = await codes_of(house, ada, 1)
    browsers = [house.another_browser() for _ in range(4)]
    tokens = [await form(browser) for browser in browsers]
    answers = await asyncio.gather(
        *(
            browser.call("POST", PAGE, form={"_form_token": token, "code": code.reveal()})
            for browser, token in zip(browsers, tokens, strict=True)
        )
    )
    assert sorted(answer.status for answer in answers) == [303, 400, 400, 400]


async def test_a31_it_opens_for_active_superusers_only(house: House) -> None:
    ada = await administrator(house)
    await house.user("eve")
    eve = await house.core.users.by_username("eve")
    (of_eve,) = await codes_of(house, eve, 1)
    (of_ada,) = await codes_of(house, ada, 1)
    await house.edit("authentik_core.user", ada.pk, is_active=False)
    for code in (of_eve.reveal(), of_ada.reveal(), new_code().reveal(), "", "x" * 2000, "'; --"):
        refused = await enter(house, code)
        assert refused.status == 400
        assert b"This code is not valid, or it was used before." in refused.body
    assert await who(house) is None
    await house.edit("authentik_core.user", ada.pk, is_active=True)
    assert (await enter(house, of_ada.reveal())).status == 303  # a refusal did not use it up


async def test_a31_it_is_taken_from_a_form_of_this_browser_only(house: House) -> None:
    ada = await administrator(house)
    (code,) = await codes_of(house, ada, 1)
    token = await form(house)
    for values, headers in (
        ({"code": code.reveal()}, {}),
        (
            {"code": code.reveal(), "_form_token": token},
            {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        ),
    ):
        answer = await house.call("POST", PAGE, form=values, headers=headers)
        assert answer.status in {303, 403}
        assert answer.header("location") != "/if/user/"
    assert await who(house) is None


async def test_its_use_is_told_to_everybody_who_may_know(house: House, caplog: pytest.LogCaptureFixture) -> None:
    ada = await administrator(house)
    await administrator(house, "grace")
    await house.user("eve")
    (code,) = await codes_of(house, ada, 1)
    await enter(house, "wrong")
    assert (await enter(house, code.reveal())).status == 303
    assert await events(house, USED) == 1
    assert "break-glass code used user=ada address=192.0.2.7" in caplog.text
    assert "reason=break_glass" in caplog.text  # of the wrong one
    tasks = await house.core.database.fetch("SELECT args FROM task WHERE name = ?", "mail.send")
    told = " ".join(str(row["args"]) for row in tasks)
    assert "ada@example.org" in told
    assert "grace@example.org" in told
    assert "eve@example.org" not in told
    assert code.reveal() not in caplog.text + told
    rows = await house.core.database.fetch("SELECT context FROM event")
    assert not any(code.reveal() in str(row["context"]) for row in rows)


async def test_new_codes_replace_the_unused_ones_and_a_password_does_not_end_them(house: House) -> None:
    ada = await administrator(house)
    (old,) = await codes_of(house, ada, 1)
    (new,) = await codes_of(house, ada, 1)
    assert (await enter(house, old.reveal())).status == 400
    await house.core.accounts.set_password("ada", Secret(PASSWORD + "!"), now=clock())
    assert [one.number for one in await house.core.services[BreakGlassCodes].left()] == [1]
    assert (await enter(house, new.reveal())).status == 303
    assert await house.core.services[BreakGlassCodes].left() == []


def test_a_code_is_read_as_people_copy_it() -> None:
    code = new_code().reveal()
    assert re.fullmatch(r"([0-9A-HJKMNP-TV-Z]{5}-){4}[0-9A-HJKMNP-TV-Z]{5}", code)
    same = {code_hash(text) for text in (code, code.lower(), code.replace("-", ""), f"  {code} \n")}
    assert len(same) == 1
    assert code_hash("O1L-I0") == code_hash("01110")
    assert len({new_code().reveal() for _ in range(100)}) == 100
