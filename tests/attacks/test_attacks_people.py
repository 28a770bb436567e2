"""A30, A39-A42, A47, A58: flows, sessions and people, against the whole program."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from urllib.parse import urlencode

import pytest
from attacks_house import CALLBACK, CLIENT_SECRET, LOGIN, PASSWORD, Answer, House, executor
from flows_world import World
from oauth2_rig import basic_header
from support.noting import noting

from ostiary.app.core import clock
from ostiary.app.operator.links import recovery_link, setup_link
from ostiary.directory.passwords import formats
from ostiary.flows.errors import PlanChanged
from ostiary.flows.people.avatar import avatar
from ostiary.flows.plans.repository import new_plan
from ostiary.flows.resources import Flow
from ostiary.seal import Secret
from ostiary.store.workspace.commit import run

COMPONENTS = (
    "", "ak-stage-identification", "ak-stage-password", "ak-stage-user-login", "ak-stage-user-write", "ak-stage-prompt",
    "ak-stage-consent", "ak-stage-authenticator-validate", "ak-stage-authenticator-totp", "ak-stage-authenticator-static",
    "ak-source-oauth-apple", "ak-stage-flow-error", "xak-flow-redirect",
)  # fmt: skip
TEMPTING = {
    "uid_field": "root", "username": "root", "password": "", "code": "000000", "user": 1, "pending_user": 1, "is_superuser": True,
    "next": "/", "remember_me": True, "selected_stage": "x", "token": "", "goauthentik.io/user": 1,
}  # fmt: skip


async def who(house: House) -> int | None:
    """Whose session the browser has, or None."""
    answer = await house.call("GET", "/api/v3/core/users/me/")
    return answer.json()["user"]["pk"] if answer.status == 200 else None


async def counted(house: House) -> list[int]:
    rows = []
    for table in ("directory_user", "directory_token", "directory_device"):
        if await house.core.database.fetch("SELECT 1 FROM sqlite_master WHERE name = ?", table):
            found = await house.core.database.fetch(f"SELECT COUNT(*) AS n FROM {table}")
            rows.append(int(found[0]["n"]))
    return rows


# A30


async def test_a30_no_flow_is_passed_by_empty_or_foreign_answers(house: House) -> None:
    """Every shipped flow, from its first stage on: whatever is posted, nobody is signed in and nothing is written."""
    await house.user("root")
    before = await counted(house)
    slugs = sorted(flow.slug for flow in house.core.plane.snapshot.all(Flow))
    assert LOGIN in slugs
    for slug in slugs:
        browser = house.another_browser()
        await browser.call("POST", executor(slug), body={})  # before anything was asked
        await browser.flow(slug)
        for component in COMPONENTS:
            await browser.call("POST", executor(slug), body={"component": component})
            await browser.call("POST", executor(slug), body={**TEMPTING, "component": component})
        await browser.call("POST", executor(slug), body={})
        await browser.flow(slug)
        assert await who(browser) is None, slug
    assert await counted(house) == before


async def test_a30_stages_cannot_be_skipped_or_reordered(house: House) -> None:
    await house.user("ada")
    await house.flow()
    await house.reply(component="ak-stage-password", password=PASSWORD)
    await house.reply(component="ak-stage-user-login", remember_me=True)
    assert (await house.flow())["component"] == "ak-stage-identification"
    await house.reply(component="ak-stage-identification", uid_field="ada")
    if (await house.flow())["component"] == "ak-stage-password":
        for answer in (
            {},
            {"password": "wrong"},
            {"password": ""},
            {"password": None},
            {"password": [PASSWORD]},
            {"password": True},
        ):
            await house.reply(component="ak-stage-password", **answer)
        await house.reply(component="ak-stage-user-login")
        assert (await house.flow())["component"] == "ak-stage-password"
    assert await who(house) is None


async def test_a30_an_answer_needs_its_challenge(house: House) -> None:
    """What was never shown in this session cannot be answered, however right the answer is."""
    await house.user("ada")
    await house.flow()
    await house.reply(component="ak-stage-identification", uid_field="ada")
    await house.reply(component="ak-stage-password", password=PASSWORD)  # nobody has asked yet
    assert (await house.flow())["component"] == "ak-stage-password"
    assert await who(house) is None


async def test_a30_an_answer_cannot_be_played_again_in_another_session(house: House) -> None:
    """What one tab proved belongs to its session and its plan."""
    await house.user("ada")
    await house.flow()
    await house.reply(component="ak-stage-identification", uid_field="ada")
    thief = house.another_browser()
    await thief.flow()
    await thief.reply(component="ak-stage-user-login")
    await thief.reply(component="ak-stage-password", password=PASSWORD)
    assert await who(thief) is None
    assert (await thief.flow())["component"] == "ak-stage-identification"


async def test_a30_a_plan_moves_forward_once(world: World) -> None:
    """Of two that read the same plan one writes it on; what the other had proved is not written either."""
    plans, plan = world.services.plans, new_plan("flow", "")
    await world.database.write(lambda: run([plans.put(b"session", plan, now=world.now)]))
    for error in (None, PlanChanged):
        with pytest.raises(error) if error else contextlib.nullcontext():
            await world.database.write(lambda: run([plans.save(plan, now=world.now)]))


async def test_a30_parallel_tabs_pass_a_stage_once(house: House) -> None:
    await house.user("ada")
    await house.flow()
    await house.reply(component="ak-stage-identification", uid_field="ada")
    assert (await house.flow())["component"] == "ak-stage-password"
    answers = await asyncio.gather(
        *(house.reply(component="ak-stage-password", password=PASSWORD) for _ in range(6)), return_exceptions=True
    )
    assert all(not isinstance(answer, BaseException) for answer in answers)
    await house.flow()
    rows = await house.core.database.fetch("SELECT 1 FROM event WHERE action = 'login'")
    assert len(rows) == 1


# A39


async def test_a39_the_set_up_closes_for_ever(house: House) -> None:
    link = (await house.core.setup.new_link_token(clock())).reveal()
    browsers = [house.another_browser() for _ in range(4)]
    answers = {"email": "root@example.org", "password": PASSWORD, "password_repeat": PASSWORD}
    query = urlencode({"token": link})
    for browser in browsers:
        assert (await browser.flow("initial-setup", query))["component"] == "ak-stage-prompt"
    await asyncio.gather(
        *(one.reply("initial-setup", query, component="ak-stage-prompt", **answers) for one in browsers)
    )
    for browser in browsers:
        await browser.flow("initial-setup", query)
    signed = [browser for browser in browsers if await who(browser) is not None]
    assert len(signed) == 1
    for browser in (house.another_browser(), signed[0].another_browser()):
        shown = await browser.flow("initial-setup", query)
        assert shown["component"] == "ak-stage-access-denied"
        await browser.reply(
            "initial-setup",
            query,
            component="ak-stage-prompt",
            **{**answers, "password": "x" * 20, "password_repeat": "x" * 20},
        )
        assert await who(browser) is None
    again = house.another_browser()
    await again.sign_in("akadmin")
    assert await who(again) == await who(signed[0])


async def test_a39_without_its_link_it_does_not_even_begin(house: House) -> None:
    for query in ("", "token=", "token=x", urlencode({"token": "\0"})):
        shown = await house.flow("initial-setup", query)
        assert shown["component"] == "ak-stage-access-denied"


# A40


async def test_a40_a_session_planted_before_the_sign_in_is_worth_nothing(house: House) -> None:
    await house.user("ada")
    await house.flow()
    planted = house.another_browser()
    planted.cookies = dict(house.cookies)
    await house.sign_in("ada")
    assert await who(house) is not None
    assert house.cookies != planted.cookies
    assert await who(planted) is None
    await planted.flow()
    assert await who(planted) is None


async def test_a40_a_session_of_ones_own_making_is_none(house: House) -> None:
    house.cookies["authentik_session"] = "A" * 43
    await house.flow()
    assert house.cookies["authentik_session"] != "A" * 43


async def test_a40_a_cookie_of_a_neighbouring_host_counts_as_none(house: House) -> None:
    await house.user("ada")
    await house.sign_in("ada")
    mine = house.cookies["authentik_session"]
    evil = house.another_browser()
    await evil.flow()
    theirs = evil.cookies["authentik_session"]
    for order in (
        f"authentik_session={theirs}; authentik_session={mine}",
        f"authentik_session={mine}; authentik_session={theirs}",
    ):
        answer = await house.another_browser().call("GET", "/api/v3/core/users/me/", headers={"cookie": order})
        assert answer.status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://id.example.org.evil"},
        {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_a40_another_site_cannot_sign_somebody_in_or_out(house: House, headers: dict[str, str]) -> None:
    await house.user("eve")
    await house.flow()
    for slug in (LOGIN, "default-invalidation-flow", "initial-setup"):
        body = {"component": "ak-stage-identification", "uid_field": "eve"}
        answer = await house.call("POST", executor(slug), body=body, headers=headers)
        assert answer.status == 403, slug
        form = await house.call("POST", f"/if/flow/{slug}/", form={"uid_field": "eve"}, headers=headers)
        assert form.status == 403
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        content = json.dumps({"component": "ak-stage-identification", "uid_field": "eve"}).encode()
        answer = await house.call("POST", executor(LOGIN), body=content, headers={"content-type": kind})
        assert answer.status == 415


async def test_a40_a_form_without_its_token_is_not_heard(house: House) -> None:
    await house.user("eve")
    page = (await house.call("GET", f"/if/flow/{LOGIN}/")).body.decode()
    own = dict(re.findall(r'name="(_ticket|_component|_form_token)" value="([^"]*)"', page))
    assert set(own) == {"_ticket", "_component", "_form_token"}
    for token in ("", "x", own["_form_token"][:-1], own["_form_token"].swapcase()):
        form = {**own, "uid_field": "eve", "_form_token": token}
        assert (await house.call("POST", f"/if/flow/{LOGIN}/", form=form)).status == 303
        assert (await house.flow())["component"] == "ak-stage-identification"
    assert (await house.call("POST", f"/if/flow/{LOGIN}/", form={**own, "uid_field": "eve"})).status == 303
    assert (await house.flow())["component"] == "ak-stage-password"


# A41


async def test_a41_after_a_sign_out_nothing_is_left(house: House) -> None:
    await house.application()
    await house.user("ada")
    await house.sign_in("ada")
    token = await access_token(house)
    old = dict(house.cookies)
    await house.flow("default-invalidation-flow")
    left = house.another_browser()
    left.cookies = old
    assert await who(left) is None
    assert await who(house) is None
    assert await userinfo(house, token) == 401
    prompt_none = await authorize(left, prompt="none")
    assert "login_required" in (prompt_none.header("location") or "")


async def test_a41_pages_of_a_person_are_not_kept(house: House) -> None:
    await house.user("ada")
    await house.sign_in("ada")
    for path in ("/if/user/", "/api/v3/core/users/me/", f"/if/flow/{LOGIN}/"):
        answer = await house.call("GET", path)
        assert "no-store" in (answer.header("cache-control") or ""), path


async def test_a41_the_next_person_inherits_nothing(house: House) -> None:
    await house.application()
    for name in ("ada", "eve"):
        await house.user(name)
    await house.sign_in("ada")
    token = await access_token(house)
    ada = await who(house)
    await house.flow("default-invalidation-flow")
    await house.sign_in("eve")
    assert await who(house) not in {None, ada}
    assert await userinfo(house, token) == 401


# A42


async def failed(house: House, name: str, password: str = "wrong") -> tuple[int, str]:
    browser = house.another_browser()
    await browser.flow()
    first = await browser.reply(component="ak-stage-identification", uid_field=name)
    shown = await browser.flow()
    answer = await browser.reply(component="ak-stage-password", password=password)
    if "pending_user_avatar" in shown:
        assert shown["pending_user_avatar"] == avatar(name)  # of what was typed, not of who was found
    text = re.sub(re.escape(name), "NAME", json.dumps([first.status, shown, json.loads(answer.body or b"{}")]))
    return answer.status, re.sub(r'data:image[^"]*|[0-9a-f]{32,64}|[0-9a-f-]{36}', "ID", text)


async def test_a42_an_unknown_name_reads_and_costs_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.user("ada")
    gone = await house.user("gone")
    await house.edit("authentik_core.user", gone, is_active=False)
    hashes: list[str] = []
    real_make, real_check = formats.make, formats.is_match
    monkeypatch.setattr(formats, "make", noting(lambda *_: hashes.append("hash"), real_make))
    monkeypatch.setattr(formats, "is_match", noting(lambda *_: hashes.append("hash"), real_check))
    seen = []
    for name in ("ada", "ada@example.org", "nobody", "gone", "nobody@example.org"):
        hashes.clear()
        answer = await failed(house, name)
        seen.append((answer, list(hashes)))
    assert all(one == seen[0] for one in seen), seen
    assert len(seen[0][1]) == 1


async def test_a42_a_disabled_person_with_the_right_password_reads_the_same(house: House) -> None:
    gone = await house.user("gone")
    await house.edit("authentik_core.user", gone, is_active=False)
    assert await failed(house, "gone", PASSWORD) == await failed(house, "nobody", PASSWORD)


async def test_a42_a_recovery_link_tells_nothing_before_it_is_used(house: House) -> None:
    bodies = {(await house.call("GET", f"/recovery/use-token/{key}/")).status for key in ("x", "y" * 60)}
    assert bodies == {200}


# A47


async def test_a47_links_are_not_built_from_the_host_header(house: House) -> None:
    await house.call("GET", "/", host="evil.example")
    for link in (setup_link(house.core.settings, Secret("t")), recovery_link(house.core.settings, Secret("t"))):
        assert "evil" not in link
        assert link.startswith("https://id.example.org/")


async def test_a47_a_host_that_is_not_ours_is_not_answered(house: House) -> None:
    async def work(workspace: object) -> None:
        await workspace.create("authentik_brands.brand", {"domain": "example.org"})  # type: ignore[attr-defined]

    await house.core.editor.edit(work, author="test", message="", now=clock())
    for path in ("/", f"/if/flow/{LOGIN}/", "/application/o/token/", executor(LOGIN)):
        assert (await house.call("GET", path, host="evil.example")).status == 421
        assert (await house.call("GET", path, host="example.org.evil")).status == 421
        assert (await house.call("GET", path, host="evilexample.org")).status == 421
    assert (await house.call("GET", f"/if/flow/{LOGIN}/", host="id.example.org")).status == 200


@pytest.mark.parametrize(
    "host",
    ["", "evil.example/path", "a b", "user@evil.example", "evil.example#x", "a,b", "[::1", "x" * 300, "a:99999999"],
)
async def test_a47_a_malformed_host_is_refused(house: House, host: str) -> None:
    answer = await house.call("GET", "/", host=host)
    assert answer.status == 400
    assert b"evil" not in answer.body


async def test_a47_a_stranger_cannot_name_the_host(house: House) -> None:
    headers = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "forwarded": "host=evil.example"}
    await house.application()
    path = "/application/o/wiki/.well-known/openid-configuration"
    assert b"evil" not in (await house.call("GET", path, headers=headers)).body
    answer = await house.call("GET", path, headers=headers, client="127.0.0.1")  # a trusted proxy may, among ours
    assert answer.status == 421
    headers["x-forwarded-host"] = "id.example.org"
    answer = await house.call("GET", path, headers=headers, host="127.0.0.1:9000", client="127.0.0.1")
    assert answer.json()["issuer"] == "https://id.example.org/application/o/wiki/"


# A58


async def authorize(house: House, **more: str) -> Answer:
    query = {
        "client_id": "wiki",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid offline_access",
        **more,
    }
    return await house.call("GET", f"/application/o/authorize/?{urlencode(query)}")


async def tokens(house: House) -> dict[str, str]:
    answer = await authorize(house)
    location = answer.header("location") or ""
    if location.startswith("/if/flow/"):
        slug = location.split("/")[3]
        await house.flow(slug)
        answer = await authorize(house)
        location = answer.header("location") or ""
    code = re.search(r"[?&]code=([^&]+)", location)
    assert code is not None, (location, answer)
    form = {"grant_type": "authorization_code", "code": code[1], "redirect_uri": CALLBACK}
    found = await token_endpoint(house, form)
    return found[1]


async def token_endpoint(house: House, form: dict[str, str]) -> tuple[int, dict[str, str]]:
    headers = {"authorization": basic_header("wiki", CLIENT_SECRET), "cookie": ""}
    answer = await house.call("POST", "/application/o/token/", form=form, headers=headers)
    return answer.status, answer.json()


async def access_token(house: House) -> str:
    return (await tokens(house))["access_token"]


async def userinfo(house: House, token: str) -> int:
    return (
        await house.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}", "cookie": ""})
    ).status


async def test_a58_disabling_ends_everything_at_once(house: House) -> None:
    await house.application()
    ada = await house.user("ada")
    await house.sign_in("ada")
    given = await tokens(house)
    key = "k" * 60

    async def work(workspace: object) -> None:
        for intent in ("api", "app_password"):
            values = {"identifier": f"ada-{intent}", "intent": intent, "user": ada, "key": f"{intent}-{key}"}
            await workspace.create("authentik_core.token", values)  # type: ignore[attr-defined]

    await house.core.editor.edit(work, author="test", message="", now=clock())
    bearer = {"authorization": f"Bearer api-{key}", "cookie": ""}
    assert (await house.call("GET", "/api/v3/core/users/me/", headers=bearer)).status == 200
    await house.edit("authentik_core.user", ada, is_active=False)
    assert await who(house) is None
    assert await userinfo(house, given["access_token"]) == 401
    assert (await token_endpoint(house, {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}))[
        0
    ] == 400
    headers = {"authorization": basic_header("wiki", CLIENT_SECRET), "cookie": ""}
    told = await house.call(
        "POST", "/application/o/introspect/", form={"token": given["access_token"]}, headers=headers
    )
    assert told.json() == {"active": False}
    assert (await house.call("GET", "/api/v3/core/users/me/", headers=bearer)).status == 403
    assert not await house.core.tokens.app_password(ada, Secret(f"app_password-{key}"), clock())
    again = house.another_browser()
    await again.sign_in("ada")
    assert await who(again) is None
    await house.edit("authentik_core.user", ada, is_active=True)
    assert await userinfo(house, given["access_token"]) == 401  # what ended does not come back
    assert await who(house) is None


async def test_a58_a_recovery_link_does_not_let_a_disabled_person_in(house: House) -> None:
    from ostiary.directory.tokens import recovery_link as make

    ada = await house.user("ada")
    person = await house.core.users.get(ada)
    assert person is not None
    key, statement = make(person, without_mfa=True, now=clock())
    await house.core.database.write(lambda: run([statement]))
    await house.edit("authentik_core.user", ada, is_active=False)
    page = await house.call("GET", f"/recovery/use-token/{key.reveal()}/")
    token = re.search(rb'name="_form_token" value="([^"]+)"', page.body)
    assert token is not None
    answer = await house.call("POST", f"/recovery/use-token/{key.reveal()}/", form={"_form_token": token[1].decode()})
    assert answer.status == 404
    assert await who(house) is None
