"""Whom the application expects: hints, a subject asked for by value, choosing another account, the language."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from oauth2_rig import SECOND, Rig, answer_of, authorize_url, json_of, page_of, provider, verified

from ostiary.flows.resources import Flow
from ostiary.policies.resources import PolicyBinding
from ostiary.web.request import Request

LOGIN = "/if/flow/login/"


async def hint(rig: Rig, pk: int = 7, name: str = "ada", **changes: str) -> str:
    await rig.browser.sign_in(pk, name)
    token: str = (await rig.browser.tokens(**changes))["id_token"]
    return token


async def become(rig: Rig, pk: int, name: str) -> None:
    """Sign in as another person inside the flow, whose plan goes on."""
    await rig.browser.sign_in(pk, name)
    request = Request(headers={"cookie": rig.browser.cookie}, scheme="https")
    session = await rig.sessions.read(request, rig.now)
    assert session is not None
    plans = rig.services.engine._services.plans
    plan = await plans.latest(session.key, "login", now=rig.now)
    assert plan is not None
    await rig.run(plans.put(session.key, plan.to(user=pk), now=rig.now))


def sub_request(sub: str, place: str = "id_token") -> str:
    return json.dumps({place: {"sub": {"value": sub}}})


class TestHint:
    async def test_the_same_person(self, both: Rig) -> None:
        token = await hint(both)
        both.now += 2 * 3_600 * SECOND
        for prompt in ("", "none"):
            answer = answer_of(await both.browser.authorize(id_token_hint=token, prompt=prompt))
            assert "code" in answer, "an expired hint is as good"

    async def test_another_person(self, both: Rig) -> None:
        token = await hint(both)
        await both.browser.sign_in(8, "bob")
        silent = await both.browser.authorize(id_token_hint=token, prompt="none")
        assert answer_of(silent)["error"] == "login_required"
        assert page_of(await both.browser.authorize(id_token_hint=token)) == LOGIN
        back = await both.browser.finish_flow("login")
        assert answer_of(await both.browser.get(back))["error"] == "login_required", "still bob"
        await both.browser.authorize(id_token_hint=token)
        await become(both, 7, "ada")
        assert "code" in answer_of(await both.browser.get(await both.browser.finish_flow("login")))

    async def test_of_another_client_or_forged(self, rig: Rig) -> None:
        token = await hint(rig)
        rig.change(provider(2, client_id="other"))
        header, payload, signature = token.split(".")
        for bad in (f"{header}.{payload}.{signature[::-1]}", "x", f"e30.{payload}."):
            assert answer_of(await rig.browser.authorize(id_token_hint=bad))["error"] == "invalid_request"
        answer = answer_of(await rig.browser.authorize(id_token_hint=token, client_id="other"))
        assert answer["error"] == "invalid_request"


class TestSubjectByValue:
    @pytest.mark.parametrize("place", ["id_token", "userinfo"])
    async def test_core_5_5_1(self, rig: Rig, place: str) -> None:
        await rig.browser.sign_in()
        rig.change(provider(1, sub_mode="user_username"))
        assert "code" in answer_of(await rig.browser.authorize(claims=sub_request("ada", place)))
        silent = await rig.browser.authorize(claims=sub_request("bob", place), prompt="none")
        assert answer_of(silent)["error"] == "login_required"
        assert page_of(await rig.browser.authorize(claims=sub_request("bob", place))) == LOGIN

    async def test_an_essential_class_that_is_not_there(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        wanted = {"acr": {"essential": True, "values": ["urn:other"]}}
        answer = answer_of(await rig.browser.authorize(claims=json.dumps({"id_token": wanted})))
        assert answer["error"] == "unmet_authentication_requirements"
        wanted["acr"]["essential"] = False
        assert "code" in answer_of(await rig.browser.authorize(claims=json.dumps({"id_token": wanted})))


class TestClasses:
    """acr: what is told is what was reached (Core 2), and what is essential is met or refused (5.5.1.1)."""

    MFA = "https://refeds.org/profile/mfa"
    USUAL = "goauthentik.io/providers/oauth2/default"

    def essential(self, *values: str) -> str:
        return json.dumps({"id_token": {"acr": {"essential": True, "values": list(values)}}})

    async def acr(self, rig: Rig, **request: str) -> str:
        token = (await rig.browser.tokens(**request))["id_token"]
        return str((await verified(rig, token))["acr"])

    @pytest.mark.parametrize(
        ("amr", "asked", "told"),
        [
            (("pwd",), "", USUAL),
            (("pwd", "mfa"), "", USUAL),
            (("pwd", "mfa"), MFA, MFA),
            (("pwd",), MFA, USUAL),
            (("pwd",), f"urn:x {MFA}", USUAL),
            (("pwd", "mfa"), f"urn:x {MFA} {USUAL}", MFA),
            (("pwd", "mfa"), f"{USUAL} {MFA}", USUAL),
        ],
    )
    async def test_what_was_reached_is_told(self, rig: Rig, amr: tuple[str, ...], asked: str, told: str) -> None:
        await rig.browser.sign_in(amr=amr)
        assert await self.acr(rig, acr_values=asked) == told

    async def test_an_essential_class_that_was_reached(self, rig: Rig) -> None:
        await rig.browser.sign_in(amr=("pwd", "mfa"))
        assert await self.acr(rig, claims=self.essential(self.MFA), acr_values=self.USUAL) == self.MFA
        assert await self.acr(rig, claims=self.essential("urn:x", self.USUAL)) == self.USUAL

    async def test_one_that_was_not_asks_for_another_sign_in_once(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        wanted = {"claims": self.essential(self.MFA)}
        assert answer_of(await rig.browser.authorize(**wanted, prompt="none"))["error"] == "login_required"
        assert page_of(await rig.browser.authorize(**wanted)) == LOGIN
        back = await rig.browser.finish_flow("login")
        answer = answer_of(await rig.browser.get(back))
        assert (answer["error"], answer["state"]) == ("unmet_authentication_requirements", "st")
        assert page_of(await rig.browser.authorize(**wanted)) == LOGIN
        await rig.browser.sign_in(amr=("pwd", "mfa"))
        assert "code" in answer_of(await rig.browser.get(await rig.browser.finish_flow("login")))

    async def test_discovery(self, rig: Rig) -> None:
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        assert document["acr_values_supported"] == [self.USUAL, self.MFA]
        assert document["display_values_supported"] == ["page", "popup", "touch", "wap"]


class TestDisplay:
    @pytest.mark.parametrize(
        ("display", "query"), [("page", ""), ("popup", "?display=popup"), ("touch", "?display=touch")]
    )
    async def test_the_flow_is_told(self, rig: Rig, display: str, query: str) -> None:
        assert page_of(await rig.browser.authorize(display=display)) == LOGIN + query
        await rig.browser.sign_in()
        rig.change(provider(1, authorization_flow="ask"))
        assert page_of(await rig.browser.authorize(display=display)) == "/if/flow/ask/" + query

    async def test_others_are_refused(self, rig: Rig) -> None:
        assert answer_of(await rig.browser.authorize(display="hologram"))["error"] == "invalid_request"


class TestChoosing:
    async def test_select_account_asks_once_and_names_nobody(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        response = await rig.browser.authorize(prompt="select_account", login_hint="ada")
        assert page_of(response) == LOGIN
        await become(rig, 8, "bob")
        back = await rig.browser.finish_flow("login")
        assert "code" in answer_of(await rig.browser.get(back))
        (event,) = await rig.events("authorize_application")
        assert event["username"] == "bob"

    async def test_a_flow_for_strangers_only_ends_the_present_sign_in(self, both: Rig) -> None:
        flow = both.plane.snapshot.get(Flow, "login")
        assert flow is not None
        both.change(replace(flow, authentication="require_unauthenticated"))
        await both.browser.sign_in()
        assert page_of(await both.browser.authorize(prompt="login")) == LOGIN
        assert not await both.rows("SELECT 1 FROM session WHERE user_pk IS NOT NULL")
        await both.browser.look("login")
        await both.browser.sign_in()
        assert page_of(await both.browser.authorize(prompt="login")) == LOGIN

    async def test_with_prompt_none_a_refusal_is_an_error(self, rig: Rig) -> None:
        rig.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        await rig.browser.sign_in()
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "access_denied"
        assert (await rig.browser.authorize()).status == 200


class TestLanguage:
    @pytest.mark.parametrize(
        ("asked", "spoken"), [("de", "de"), ("xx de-AT en", "de"), ("en", "en"), ("xx", None), ("", None)]
    )
    async def test_ui_locales(self, rig: Rig, asked: str, spoken: str | None) -> None:
        response = await rig.call("GET", authorize_url(ui_locales=asked))
        cookies = [value for name, value in response.headers if name == "set-cookie"]
        found = [one for one in cookies if one.startswith("authentik_language=")]
        assert [one.partition(";")[0] for one in found] == ([f"authentik_language={spoken}"] if spoken else [])
