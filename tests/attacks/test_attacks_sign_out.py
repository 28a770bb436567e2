"""Signing somebody out is nothing another site may do: who was led here is asked (A40)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from attacks_house import House

SLUG = "default-invalidation-flow"
PAGE = f"/if/flow/{SLUG}/"
HTML = {"accept": "text/html,application/xhtml+xml"}

ELSEWHERE: dict[str, dict[str, str]] = {
    "a link on another site": {**HTML, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"},
    "a link on a neighbour": {**HTML, "sec-fetch-site": "same-site"},
    "an older browser": {**HTML, "referer": "https://evil.example/"},
    "a browser that tells nothing": HTML,
    "a referer that is none": {**HTML, "referer": "https://["},
    "an executor in a window": {"accept": "*/*", "sec-fetch-site": "cross-site"},
}
HERE: dict[str, dict[str, str]] = {
    "our own page": {**HTML, "sec-fetch-site": "same-origin"},
    "typed": {**HTML, "sec-fetch-site": "none"},
    "our own page, an older browser": {**HTML, "referer": "http://id.example.org/if/user/"},
    "a program": {"accept": "*/*"},
    "a program that wants JSON": {"accept": "application/json"},
}


async def somebody(house: House) -> None:
    await house.user("ada")
    await house.sign_in("ada")
    assert await who(house) == "ada"


async def who(house: House) -> Any:
    answer = await house.call("GET", "/api/v3/core/users/me/")
    return answer.json()["user"]["username"] if answer.status == 200 else None


@pytest.mark.parametrize("headers", ELSEWHERE.values(), ids=ELSEWHERE)
async def test_a40_another_site_signs_nobody_out(house: House, headers: dict[str, str]) -> None:
    await somebody(house)
    start = await house.call("GET", f"/flows/-/default/invalidation/?{urlencode({'x': 1})}", headers=headers)
    assert start.header("location") == f"{PAGE}?x=1"
    for path in (PAGE, f"/api/v3/flows/executor/{SLUG}/?query="):
        answer = await house.call("GET", path, headers=headers)
        assert answer.status == 200
        assert await who(house) == "ada"


@pytest.mark.parametrize("headers", HERE.values(), ids=HERE)
async def test_our_own_pages_and_programs_sign_out_at_once(house: House, headers: dict[str, str]) -> None:
    await somebody(house)
    if "text/html" in headers["accept"]:
        await house.call("GET", PAGE, headers=headers)
    else:
        await house.call("GET", f"/api/v3/flows/executor/{SLUG}/?query=", headers=headers)
    assert await who(house) is None


@pytest.mark.parametrize("answer", ["true", "false"])
async def test_whoever_is_asked_decides(house: House, answer: str) -> None:
    await somebody(house)
    page = (await house.call("GET", PAGE, headers=ELSEWHERE["a link on another site"])).body.decode()
    assert "You came here from another site" in page
    hidden = ("_component", "_ticket", "_form_token")
    form = {name: page.split(f'name="{name}" value="')[1].split('"')[0] for name in hidden}
    form["sign_out"] = answer
    refused = await house.call("POST", PAGE, form=form, headers={"sec-fetch-site": "cross-site"})
    assert refused.status == 403
    assert await who(house) == "ada"
    sent = await house.call("POST", PAGE, form=form, headers={**HTML, "sec-fetch-site": "same-origin"})
    assert sent.status == 303
    await house.call("GET", sent.header("location") or "", headers=HTML)
    assert (await who(house) is None) is (answer == "true")
    assert (await house.call("GET", "/if/user/", headers=HTML)).status == (302 if answer == "true" else 200)


async def test_a_program_answers_the_question_too(house: House) -> None:
    await somebody(house)
    how: dict[str, Any] = {"headers": ELSEWHERE["an executor in a window"]}
    shown = await house.flow(SLUG, **how)
    assert (shown["component"], shown["confirm"]) == ("ak-stage-session-end", True)
    await house.reply(SLUG, component="ak-stage-session-end", sign_out=True)
    assert await who(house) is None
