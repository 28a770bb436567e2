"""Removing a second factor: a page that asks, a form only it can send, soon after a sign-in, and an event."""

from __future__ import annotations

import re

import httpx2 as httpx
from portal_objects import NOW
from portal_samples import SampleHouse

from ostiary.flows.enrolment import FRESH

ORIGIN = "http://id.example.org"
PHONE = "/if/user/factors/totp-1/remove/"


def client_of(house: SampleHouse) -> httpx.AsyncClient:
    cookies = {"authentik_session": "sample"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=house.site), base_url=ORIGIN, cookies=cookies)


async def token_of(client: httpx.AsyncClient, path: str = PHONE) -> str:
    found = re.search(r'name="_form_token" value="([^"]+)"', (await client.get(path)).text)
    assert found is not None
    return found[1]


async def test_the_library_offers_to_remove_and_to_add_another() -> None:
    house = SampleHouse()
    async with client_of(house) as client:
        page = (await client.get("/if/user/")).text
        assert f'href="{PHONE}"' in page
        assert "Add another:" in page
        assert "Set up" not in page
        assert 'href="/flows/-/configure/t/?next=%2Fif%2Fuser%2F"' in page
        house.devices.clear()
        page = (await client.get("/if/user/")).text
    assert "Set up" in page
    assert "Add another:" not in page


async def test_a_second_factor_is_removed_by_its_own_form() -> None:
    house = SampleHouse()
    async with client_of(house) as client:
        page = (await client.get(PHONE)).text
        assert "Phone (Authenticator app)" in page
        assert "your only second factor" not in page
        assert len(house.devices) == 2
        done = await client.post(PHONE, data={"_form_token": await token_of(client)})
        assert (done.status_code, done.headers["location"]) == (303, "/if/user/")
        assert [one.name for one in house.devices] == ["On paper"]
        assert "model_deleted" in house.told[0].parameters
        assert (await client.get(PHONE)).status_code == 404
        assert "your only second factor" in (await client.get("/if/user/factors/static-2/remove/")).text


async def test_a_foreign_form_removes_nothing() -> None:
    house = SampleHouse()
    async with client_of(house) as client:
        token, other = await token_of(client), await token_of(client, "/if/user/factors/static-2/remove/")
        for wrong in ("", "x", other):
            answer = await client.post(PHONE, data={"_form_token": wrong})
            assert (answer.status_code, answer.headers["location"]) == (303, PHONE)
        crossed = await client.post(PHONE, data={"_form_token": token}, headers={"sec-fetch-site": "cross-site"})
        assert crossed.status_code == 403
    assert len(house.devices) == 2
    assert house.told == []


async def test_removing_needs_a_sign_in_not_long_ago() -> None:
    house = SampleHouse()
    async with client_of(house) as client:
        token = await token_of(client)
        house.sessions.auth_time = NOW - FRESH - 1
        asked = await client.get(PHONE)
        assert asked.status_code == 302
        assert asked.headers["location"].startswith("/flows/-/default/authentication/?next=%2Fif%2Fuser%2Ffactors%2F")
        sent = await client.post(PHONE, data={"_form_token": token})
        assert (sent.status_code, sent.headers["location"]) == (303, PHONE)
        house.sessions.user = None
        assert (await client.get(PHONE)).status_code == 302
    assert len(house.devices) == 2


async def test_what_is_not_ones_own_is_not_there() -> None:
    async with client_of(SampleHouse()) as client:
        assert (await client.get("/if/user/factors/totp-9/remove/")).status_code == 404
        assert (await client.post("/if/user/factors/totp-9/remove/", data={"_form_token": "x"})).status_code == 404


async def test_a_no_at_the_consent_is_an_answer() -> None:
    async with client_of(SampleHouse()) as client:
        page = (await client.get("/if/flow/consent/")).text
    assert '<button class="button plain" type="submit" name="deny" value="true">Cancel</button>' in page
