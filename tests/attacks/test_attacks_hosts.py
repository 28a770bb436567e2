"""A75: our own address is never taken from what a stranger sends."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from attacks_house import LOGIN, PASSWORD, House, executor, open_house

from ostiary.app.core import clock
from ostiary.brands.hosts import pin

DISCOVERY = "/application/o/wiki/.well-known/openid-configuration"
SETUP = "initial-setup"
EVIL = "evil.example"


@pytest.fixture
async def fresh(house_template: Path, tmp_path: Path) -> AsyncIterator[House]:
    """A new installation, of which nobody has said what its address is."""
    shutil.copytree(house_template, tmp_path / "data")
    opened = await open_house(tmp_path, OSTIARY_HOSTS="")
    yield opened
    await opened.close()


PATHS = (
    DISCOVERY, "/application/o/token/", "/application/o/authorize/?client_id=wiki", "/application/o/par/",
    "/if/user/", f"/if/flow/{LOGIN}/", executor(LOGIN), "/api/v3/core/users/me/", "/.well-known/webfinger?resource=x",
    "/recovery/use-token/x/",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_a75_without_an_address_no_host_is_ours(fresh: House, path: str) -> None:
    await fresh.application()
    for method in ("GET", "POST"):
        answer = await fresh.call(method, path, host=EVIL)
        assert answer.status == 421
        assert not answer.header("set-cookie")
    forwarded = {"x-forwarded-host": EVIL, "x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    assert (await fresh.call(method, path, host="127.0.0.1:9000", client="127.0.0.1", headers=forwarded)).status == 421


async def test_a75_a_stranger_behind_the_proxy_is_not_on_this_machine(fresh: House) -> None:
    await fresh.application()
    mine = await fresh.call("GET", DISCOVERY, host="localhost:9000", client="127.0.0.1")
    assert mine.json()["issuer"] == "http://localhost:9000/application/o/wiki/"
    for chain in ("203.0.113.9", "127.0.0.1, 203.0.113.9"):
        headers = {"x-forwarded-for": chain}
        answer = await fresh.call("GET", DISCOVERY, host="localhost:9000", client="127.0.0.1", headers=headers)
        assert answer.status == 421
    assert (await fresh.call("GET", DISCOVERY, host="localhost:9000")).status == 421


async def test_a75_a_pinned_host_is_the_only_one(fresh: House) -> None:
    await fresh.application()
    await pin(fresh.core.editor, ["id.example.org"], author="test", now=clock())
    answer = await fresh.call("GET", DISCOVERY)
    assert answer.json()["issuer"] == "http://id.example.org/application/o/wiki/"
    for host in (EVIL, "id.example.org:444", "x.id.example.org", "localhost:9000"):
        assert (await fresh.call("GET", DISCOVERY, host=host)).status == 421


async def test_health_and_the_look_of_the_refusal_are_at_any_host(fresh: House) -> None:
    fresh.built.health.begin()
    for path in ("/-/health/live/", "/-/health/ready/"):
        assert (await fresh.call("GET", path, host="10.1.2.3:9000")).status == 200
    page = await fresh.call("GET", "/if/user/", host=EVIL, headers={"accept": "text/html"})
    assert page.status == 421
    text = page.body.decode()
    assert f"OSTIARY_HOSTS={EVIL}" in text
    assert f"ostiary host add {EVIL}" in text
    assert "<a " not in text, "a link would lead here again"
    style = text.split('rel="stylesheet" href="')[1].split('"')[0]
    assert (await fresh.call("GET", style, host=EVIL)).status == 200
    answer = (await fresh.call("GET", "/api/v3/root/config/", host=EVIL)).json()
    assert answer["code"] == "misdirected_request"
    assert f"OSTIARY_HOSTS={EVIL}" in answer["detail"]


# The first-run wizard


async def wizard(house: House) -> str:
    return urlencode({"token": (await house.core.setup.new_link_token(clock())).reveal()})


def field(challenge: dict[str, list[dict[str, str]]], key: str) -> dict[str, str] | None:
    return next((one for one in challenge["fields"] if one["field_key"] == key), None)


ANSWERS = {"email": "root@example.org", "password": PASSWORD, "password_repeat": PASSWORD}


async def test_a75_the_wizard_shows_the_address_asks_and_pins(fresh: House) -> None:
    query = await wizard(fresh)
    how: dict[str, Any] = {"client": "127.0.0.1", "headers": {"x-forwarded-proto": "https"}, "host": "id.example.org"}
    shown = await fresh.flow(SETUP, query, **how)
    asked = field(shown, "hosts")
    assert asked is not None
    assert asked["initial_value"] == "https://id.example.org"
    answers = {"component": "ak-stage-prompt", **ANSWERS, "hosts": "https://id.example.org, https://sso.example:8443/"}
    assert (await fresh.call("POST", executor(SETUP, query), body=answers, **how)).status == 302
    await fresh.flow(SETUP, query, **how)
    assert (await fresh.call("GET", "/api/v3/core/users/me/", **how)).json()["user"]["username"] == "akadmin"
    assert (await fresh.call("GET", f"/if/flow/{LOGIN}/", host="sso.example:8443")).status in {200, 302}
    assert (await fresh.call("GET", f"/if/flow/{LOGIN}/", host=EVIL)).status == 421


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("", "keep it in the list"),
        ("other.example", "keep it in the list"),
        ("id.example.org, localhost:9000", "this machine alone"),
        ("id.example.org, 127.0.0.1", "this machine alone"),
        ("id.example.org, not a host", "expected a host name"),
    ],
)
async def test_a75_an_answer_that_would_lock_out_or_means_nothing_is_not_taken(
    fresh: House, answer: str, why: str
) -> None:
    query = await wizard(fresh)
    await fresh.flow(SETUP, query)
    reply = await fresh.reply(SETUP, query, component="ak-stage-prompt", **ANSWERS, hosts=answer)
    assert reply.status == 200
    assert why in reply.json()["response_errors"]["hosts"][0]["string"]
    assert fresh.core.hosts.unnamed()
    assert not await fresh.core.setup.closed()


async def test_a75_a_loopback_name_is_never_pinned(fresh: House) -> None:
    query = await wizard(fresh)
    how: dict[str, Any] = {"client": "127.0.0.1", "host": "localhost:9000"}
    shown = await fresh.flow(SETUP, query, **how)
    assert (field(shown, "hosts") or {})["initial_value"] == ""
    body = {"component": "ak-stage-prompt", **ANSWERS, "hosts": ""}
    await fresh.call("POST", executor(SETUP, query), body=body, **how)
    await fresh.flow(SETUP, query, **how)
    assert await fresh.core.setup.closed()
    assert fresh.core.hosts.unnamed()
    assert (await fresh.call("GET", f"/if/flow/{LOGIN}/", host=EVIL)).status == 421


async def test_a75_programs_that_answer_without_the_field_mean_the_address_they_use(fresh: House) -> None:
    query = await wizard(fresh)
    await fresh.flow(SETUP, query)
    await fresh.reply(SETUP, query, component="ak-stage-prompt", **ANSWERS)
    await fresh.flow(SETUP, query)
    assert fresh.core.hosts.names() == {"id.example.org"}


async def test_the_wizard_does_not_ask_for_what_the_setting_says(house: House) -> None:
    query = await wizard(house)
    assert field(await house.flow(SETUP, query), "hosts") is None
    await house.reply(SETUP, query, component="ak-stage-prompt", **ANSWERS, hosts=EVIL)
    await house.flow(SETUP, query)
    assert await house.core.setup.closed()
    assert house.core.hosts.names() == {"id.example.org"}
