"""The device flow: from the device's first request to its tokens, honest and under attack."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from oauth2_rig import BASE, SECOND, SECRET, Browser, Rig, json_of, location, page_of, provider

from ostiary.flows.resources import Flow, FlowStageBinding
from ostiary.flows.run.outcome import FlowRedirect
from ostiary.flows.stages.identification import IdentificationStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.policies.resources import PolicyBinding
from ostiary.providers.oauth2.device.stages import MAX_BY_PERSON, MAX_BY_SESSION
from ostiary.providers.oauth2.options import HOUR
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.store.database import Statement
from ostiary.web.response import Response

FLOW = Flow(
    pk="device", name="device", slug="device", title="Device", designation="stage_configuration",
    authentication="require_authenticated",
)  # fmt: skip


@pytest.fixture
def ready(both: Rig) -> Rig:
    brand = both.brand
    both.change(
        FLOW, dataclasses.replace(brand, flow_device_code="device"), provider(1, device_code_validity="minutes=10")
    )
    return both


async def begin(rig: Rig, **form: str) -> dict[str, Any]:
    response = await rig.call(
        "POST", "/application/o/device/", form={"client_id": "wiki", "scope": "openid profile", **form}
    )
    assert response.status == 200, response.body
    return json_of(response)


async def test_codes_live_five_minutes_of_their_own(ready: Rig) -> None:
    """The lifetime of authorization codes, which browsers bring back at once, is nothing for people with two devices."""
    ready.change(provider(1, access_code_validity="minutes=1"))
    codes = await begin(ready)
    assert codes["expires_in"] == 300
    ready.now += 299 * SECOND
    assert json_of(await poll(ready, codes["device_code"]))["error"] == "authorization_pending"
    ready.now += 2 * SECOND
    assert json_of(await poll(ready, codes["device_code"]))["error"] == "expired_token"


async def test_they_are_offered_where_the_brand_has_the_flow(ready: Rig) -> None:
    async def offered() -> tuple[bool, bool, int]:
        path = "/application/o/wiki/.well-known/openid-configuration"
        document = json_of(await ready.call("GET", path))
        asked = await ready.call("POST", "/application/o/device/", form={"client_id": "wiki"})
        return (
            "device_authorization_endpoint" in document,
            DEVICE_CODE in document["grant_types_supported"],
            asked.status,
        )

    assert await offered() == (True, True, 200)
    brand = ready.brand
    ready.change(dataclasses.replace(brand, pk="other", domain="id.example.org", default=False, flow_device_code=None))
    assert await offered() == (False, False, 400)


async def poll(rig: Rig, code: str, **form: Any) -> Response:
    return await rig.token(**{"grant_type": DEVICE_CODE, "device_code": code, **form})


async def enter(browser: Browser, code: object) -> None:
    """Open /device and answer its flow."""
    response = await browser.get("/device")
    assert page_of(response) == "/if/flow/device/"
    await browser.look("device")
    await browser.answer("device", {"component": "ak-provider-oauth2-device-code", "code": code})


async def allow(browser: Browser, code: str) -> Any:
    """Pass the whole way with a code; return the last challenge."""
    await enter(browser, code)
    onward = await browser.finish_flow("device")
    assert onward == f"/device/authorize/?code={code}"
    response = await browser.get(onward)
    slug = page_of(response).removeprefix("/if/flow/").strip("/")
    challenge = await browser.look(slug)
    assert challenge.component == "ak-stage-consent"
    assert "Wiki" in challenge.fields["header_text"]
    await browser.answer(slug, {"component": "ak-stage-consent", "token": challenge.fields["token"]})
    return await browser.look(slug)


def error(response: Response) -> str:
    assert response.status == 400, response.body
    return str(json_of(response)["error"])


class TestHonest:
    async def test_the_whole_way(self, ready: Rig) -> None:
        codes = await begin(ready, scope="openid profile offline_access nonsense")
        assert len(codes["device_code"]) == 128
        assert codes["user_code"].isdigit()
        assert len(codes["user_code"]) == 9
        assert codes["verification_uri"] == f"{BASE}/device"
        assert codes["verification_uri_complete"] == f"{BASE}/device?code={codes['user_code']}"
        assert (codes["expires_in"], codes["interval"]) == (600, 5)
        assert error(await poll(ready, codes["device_code"])) == "authorization_pending"
        await ready.browser.sign_in()
        assert (await allow(ready.browser, codes["user_code"])).component == "ak-provider-oauth2-device-code-finish"
        ready.database.trips = 0
        response = await poll(ready, codes["device_code"])
        assert ready.database.trips == 3
        assert response.status == 200, response.body
        body = json_of(response)
        assert body["scope"] == "openid profile offline_access"
        assert {"access_token", "id_token", "refresh_token"} <= body.keys()
        assert error(await poll(ready, codes["device_code"])) == "invalid_grant"
        headers = {"authorization": f"Bearer {body['access_token']}"}
        info = json_of(await ready.call("GET", "/application/o/userinfo/", headers=headers))
        assert info["preferred_username"] == "ada"
        told = json.loads((await ready.events("authorize_application"))[0]["context"])
        assert told["flow"] == "device_code"

    @pytest.mark.parametrize("flow", ["silent", "ask"])
    async def test_a_person_who_says_no_tells_the_device_at_once(self, ready: Rig, flow: str) -> None:
        ready.change(provider(1, device_code_validity="minutes=10", authorization_flow=flow))
        codes = await begin(ready)
        await ready.browser.sign_in()
        await enter(ready.browser, codes["user_code"])
        await ready.browser.get(await ready.browser.finish_flow("device"))
        challenge = await ready.browser.look(flow)
        await ready.browser.answer(flow, {"token": challenge.fields["token"], "deny": True})
        assert error(await poll(ready, codes["device_code"])) == "access_denied"
        page = await ready.browser.look(flow)
        assert page.component == "ak-stage-access-denied"
        assert "did not allow" in page.fields["error_message"]
        assert not await ready.rows("SELECT 1 FROM grant_family")

    async def test_sign_in_comes_first(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        assert page_of(await ready.browser.get(f"/device/?code={code}")) == "/if/flow/login/"
        assert await ready.browser.finish_flow("login") == f"/device?code={code}"

    async def test_the_answer_that_ends_the_sign_in_leads_on_to_the_code(self, ready: Rig) -> None:
        """The end of the sign-in and the beginning of the code's flow are one batch."""
        ready.change(
            IdentificationStage(pk="who", name="who", user_fields=("username",)),
            UserLoginStage(pk="in", name="in"),
            FlowStageBinding(pk="b1", target="login", stage="who", order=0),
            FlowStageBinding(pk="b2", target="login", stage="in", order=1),
        )
        code = (await begin(ready))["user_code"]
        await ready.browser.get(f"/device?code={code}")
        moved = await ready.browser.submit("login", uid_field="ada")
        assert isinstance(moved, FlowRedirect)
        assert moved.answer is not None
        assert page_of(moved.answer) == "/if/flow/device/"
        ready.browser.arrive(moved.answer)
        challenge = await ready.browser.look("device")
        assert (challenge.component, challenge.fields["code"]) == ("ak-provider-oauth2-device-code", code)

    async def test_a_code_of_the_link_is_shown_not_taken(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        await ready.browser.sign_in()
        await ready.browser.get(f"/device?code={code}")
        challenge = await ready.browser.look("device")
        assert (challenge.component, challenge.fields["code"]) == ("ak-provider-oauth2-device-code", code)

    async def test_codes_as_people_type_them(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        await ready.browser.sign_in()
        await enter(ready.browser, f" {code[:3]}-{code[3:6]} {code[6:]} ")
        assert await ready.browser.finish_flow("device") == f"/device/authorize/?code={code}"

    async def test_codes_as_a_number(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        await ready.browser.sign_in()
        await enter(ready.browser, int(code))
        assert await ready.browser.finish_flow("device") == f"/device/authorize/?code={code}"

    async def test_a_flow_that_asks_asks_once(self, ready: Rig) -> None:
        ready.change(provider(1, authorization_flow="ask", device_code_validity="minutes=10"))
        code = await begin(ready)
        await ready.browser.sign_in()
        assert (await allow(ready.browser, code["user_code"])).component == "ak-provider-oauth2-device-code-finish"
        again = await begin(ready)
        assert (await allow(ready.browser, again["user_code"])).component == "ak-provider-oauth2-device-code-finish"

    async def test_no_scope_is_no_scope(self, ready: Rig) -> None:
        codes = await begin(ready, scope="")
        await ready.browser.sign_in()
        await allow(ready.browser, codes["user_code"])
        assert not json_of(await poll(ready, codes["device_code"])).get("scope")

    @pytest.mark.parametrize("order", [-1, 1])
    async def test_a_flow_that_signs_in_anew_on_the_way(
        self, ready: Rig, order: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The session gets another id in the flow; the request it has claimed moves along before it is looked at."""
        ready.change(
            provider(1, authorization_flow="ask", device_code_validity="minutes=10"),
            UserLoginStage(pk="again", name="again"),
            FlowStageBinding(pk="b9", target="ask", stage="again", order=order),
        )
        monkeypatch.setattr(
            UserLoginStage, "_user", lambda _, stage_context: stage_context.person(stage_context.session.user)
        )
        codes = await begin(ready)
        await ready.browser.sign_in()
        assert (await allow(ready.browser, codes["user_code"])).component == "ak-provider-oauth2-device-code-finish"
        assert (await poll(ready, codes["device_code"])).status == 200


class TestPolling:
    async def test_slow_down(self, ready: Rig) -> None:
        code = (await begin(ready))["device_code"]
        assert error(await poll(ready, code)) == "authorization_pending"
        ready.now += 4 * SECOND
        assert error(await poll(ready, code)) == "slow_down"
        ready.now += 9 * SECOND
        assert error(await poll(ready, code)) == "slow_down"
        ready.now += 15 * SECOND
        assert error(await poll(ready, code)) == "authorization_pending"

    async def test_expired(self, ready: Rig) -> None:
        codes = await begin(ready)
        ready.now += 600 * SECOND
        assert error(await poll(ready, codes["device_code"])) == "expired_token"
        await ready.browser.sign_in()
        await enter(ready.browser, codes["user_code"])
        assert (await ready.browser.look("device")).response_errors

    async def test_one_of_many_polls_gets_the_tokens(self, ready: Rig) -> None:
        codes = await begin(ready)
        await ready.browser.sign_in()
        await allow(ready.browser, codes["user_code"])
        answers = await asyncio.gather(*(poll(ready, codes["device_code"]) for _ in range(20)))
        assert sorted(one.status for one in answers) == [200, *[400] * 19]


class TestAttacks:
    async def test_without_a_brands_flow_there_is_nothing(self, rig: Rig) -> None:
        assert (await rig.browser.get("/device")).status == 404

    async def test_a12_the_grant_must_be_allowed(self, ready: Rig) -> None:
        ready.change(provider(1, grant_types=("authorization_code",)))
        response = await ready.call("POST", "/application/o/device/", form={"client_id": "wiki"})
        assert error(response) == "unauthorized_client"
        assert error(await poll(ready, "x")) == "unauthorized_client"

    @pytest.mark.parametrize("form", [{}, {"client_id": "nobody"}, {"client_id": "wiki", "client_secret": "wrong"}])
    async def test_clients(self, ready: Rig, form: dict[str, str]) -> None:
        response = await ready.call("POST", "/application/o/device/", form=form)
        assert (response.status, json_of(response)["error"]) == (401, "invalid_client")

    async def test_a_confidential_client_proves_itself_at_the_token_endpoint(self, ready: Rig) -> None:
        codes = await begin(ready)
        response = await ready.token(None, grant_type=DEVICE_CODE, device_code=codes["device_code"], client_id="wiki")
        assert (response.status, json_of(response)["error"]) == (401, "invalid_client")
        ready.change(provider(1, client_type="public"))
        response = await ready.token(None, grant_type=DEVICE_CODE, device_code=codes["device_code"], client_id="wiki")
        assert error(response) == "authorization_pending"

    async def test_a09_of_another_client(self, ready: Rig) -> None:
        codes = await begin(ready)
        response = await ready.token(("other", SECRET), grant_type=DEVICE_CODE, device_code=codes["device_code"])
        assert error(response) == "invalid_grant"
        assert error(await poll(ready, codes["user_code"])) == "invalid_grant"
        assert error(await ready.token(grant_type="authorization_code", code=codes["device_code"])) == "invalid_grant"

    async def test_a13_policies_when_the_code_is_entered(self, ready: Rig) -> None:
        ready.change(PolicyBinding(pk="only-bob", target="app", user=8, order=0))
        codes = await begin(ready)
        await ready.browser.sign_in()
        await enter(ready.browser, codes["user_code"])
        response = await ready.browser.get(await ready.browser.finish_flow("device"))
        assert response.status == 200
        assert b"You have no access to this application." in response.body
        assert error(await poll(ready, codes["device_code"])) == "access_denied"

    async def test_a58_policies_that_change_while_the_person_is_asked(self, ready: Rig) -> None:
        codes = await begin(ready)
        await ready.browser.sign_in()
        await enter(ready.browser, codes["user_code"])
        await ready.browser.get(await ready.browser.finish_flow("device"))
        challenge = await ready.browser.look("silent")
        ready.change(PolicyBinding(pk="only-bob", target="app", user=8, order=0))
        await ready.browser.answer("silent", {"token": challenge.fields["token"]})
        page = await ready.browser.look("silent")
        assert page.component == "ak-stage-access-denied"
        assert error(await poll(ready, codes["device_code"])) == "access_denied"
        assert not await ready.rows("SELECT 1 FROM grant_family")

    async def test_a13_policies_when_the_tokens_are_fetched(self, ready: Rig) -> None:
        codes = await begin(ready)
        await ready.browser.sign_in()
        await allow(ready.browser, codes["user_code"])
        ready.change(PolicyBinding(pk="only-bob", target="app", user=8, order=0))
        assert error(await poll(ready, codes["device_code"])) == "invalid_grant"

    async def test_a58_a_disabled_person(self, ready: Rig) -> None:
        codes = await begin(ready)
        await ready.browser.sign_in()
        await allow(ready.browser, codes["user_code"])
        await ready.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7"))
        assert error(await poll(ready, codes["device_code"])) == "invalid_grant"

    async def test_signing_out_takes_it_back(self, ready: Rig) -> None:
        codes = await begin(ready)
        await ready.browser.sign_in()
        await allow(ready.browser, codes["user_code"])
        await ready.browser.sign_out()
        assert error(await poll(ready, codes["device_code"])) == "invalid_grant"

    async def test_a13_the_code_belongs_to_the_session_that_entered_it(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        await ready.browser.sign_in()
        other = Browser(ready)
        await other.sign_in(8, "bob")
        assert (await other.get(f"/device/authorize/?code={code}")).status == 400
        await enter(ready.browser, code)
        assert (await other.get(f"/device/authorize/?code={code}")).status == 400
        await enter(other, code)
        assert (await other.look("device")).response_errors
        assert location(await Browser(ready).get(f"/device/authorize/?code={code}")) == "/device"

    async def test_a13_guessing_is_limited_by_session_and_person(self, ready: Rig) -> None:
        code = (await begin(ready))["user_code"]
        for most in (MAX_BY_SESSION, MAX_BY_PERSON - MAX_BY_SESSION - 1):
            browser = Browser(ready)
            await browser.sign_in()
            await browser.get("/device")
            await browser.look("device")
            for _ in range(most):
                await browser.answer("device", {"code": "999999999"})
                assert (await browser.look("device")).response_errors["code"][0].code == "invalid"
            await browser.answer("device", {"code": code})
            assert (await browser.look("device")).response_errors["code"][0].code == "throttled"
        browser = Browser(ready)
        await browser.sign_in()
        await enter(browser, code)
        assert (await browser.look("device")).response_errors["code"][0].code == "throttled"
        ready.now += HOUR
        await ready.browser.sign_in()
        fresh = (await begin(ready))["user_code"]
        await enter(ready.browser, fresh)
        assert await ready.browser.finish_flow("device") == f"/device/authorize/?code={fresh}"

    @pytest.mark.parametrize("code", ["", "12345678", "1234567890", "abcdefghi", "012345678", None, True, [], "٣" * 9])
    async def test_what_is_no_code(self, ready: Rig, code: object) -> None:
        await ready.browser.sign_in()
        await enter(ready.browser, code)
        assert (await ready.browser.look("device")).response_errors

    async def test_too_many_device_codes(self, ready: Rig) -> None:
        await ready.restart(OSTIARY_THROTTLE__PROVIDERS__OAUTH2__DEVICE="2/hour")
        for _ in range(2):
            await begin(ready)
        response = await ready.call("POST", "/application/o/device/", form={"client_id": "wiki"})
        assert (response.status, json_of(response)["error"]) == (429, "slow_down")
        assert response.header("retry-after") == "3600"
        ready.now += HOUR
        await begin(ready)
