"""Every refusal is told: the log line and the event name client, person, reason and request (A68: within bounds)."""

from __future__ import annotations

import dataclasses
import html
import json
import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import pytest
from oauth2_client_keys import TOKEN_URL, Key
from oauth2_rig import CALLBACK, SECRET, Rig, authorize_url, basic_header, json_of, location, provider

from ostiary.events.refusals import ACTION, MAX_OF_ONE, MAX_OF_STRANGERS, WINDOW, Refusal, Refusals
from ostiary.flows.resources import FlowStageBinding
from ostiary.flows.stages.deny import DenyStage
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.policies.resources import PolicyBinding
from ostiary.proto.oauth2.clients.assertion import JWT_BEARER
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.resource import Resource
from ostiary.store.database import Statement

ROOT = "/application/o"


def context(row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(row["context"]))


async def told(rig: Rig, caplog: pytest.LogCaptureFixture) -> tuple[str, dict[str, Any]]:
    """Return the one line and the one event of what was refused."""
    lines = [record.getMessage() for record in caplog.records if " refused: " in record.getMessage()]
    events = await rig.events(ACTION)
    assert (len(lines), len(events)) == (1, 1), (lines, events)
    found = context(events[0])
    assert found["request_id"]
    assert f"request={found['request_id']}" in lines[0]
    return lines[0], found


PAGES = {
    "an address that is not listed": (authorize_url(redirect_uri="https://evil.example/cb?secret=1"), "wiki"),
    "a client that is not known": (authorize_url(client_id="no body\n2026 forged"), None),
    "a request that is too long": (authorize_url(login_hint="n" * 32_000), "wiki"),
    "the address of a sign-out": (f"{ROOT}/wiki/end-session/?client_id=other", "wiki"),
    "a hint that does not verify": (f"{ROOT}/wiki/end-session/?id_token_hint=a.b.c", "wiki"),
    "an address to return to": (f"{ROOT}/wiki/end-session/?post_logout_redirect_uri=https://evil.example/cb", "wiki"),
    "a device without a flow": ("/device", None),
}


@pytest.mark.parametrize(("url", "client"), PAGES.values(), ids=PAGES)
async def test_a73_pages(both: Rig, caplog: pytest.LogCaptureFixture, url: str, client: str | None) -> None:
    assert (await both.call("GET", url)).status in {302, 400, 404, 414}
    line, found = await told(both, caplog)
    assert "\n" not in line
    assert "secret=1" not in line + str(found)
    if client is not None:
        assert f"client={client}" in line
        assert found["application"]["client_id"] == client
    if "evil" in url:
        assert "offered=https://evil.example/cb" in line
        assert found["offered"] == "https://evil.example/cb"
        assert found.get("nearest") in {CALLBACK, "https://app.example.org/bye", None}
    if "forged" in url:
        assert f"client={quote('no body' + chr(10) + '2026 forged')}" in line


async def test_a_redirect_address_with_a_slip_names_the_one_that_is_meant(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await rig.call("GET", authorize_url(redirect_uri="https://app.example.org/by"))
    line, found = await told(rig, caplog)
    assert found["nearest"] == "https://app.example.org/bye"
    assert "offered=https://app.example.org/by nearest=https://app.example.org/bye" in line
    assert b"/bye" not in answer.body  # whoever reads the page may be a stranger


async def test_a_way_back_from_a_sign_out_names_the_one_that_is_meant(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    listed = tuple(RedirectURI("strict", f"https://app.example.org/{name}") for name in ("left", "signed-out"))
    rig.change(provider(1, post_logout_redirect_uris=listed))
    await rig.call("GET", f"{ROOT}/wiki/end-session/?post_logout_redirect_uri=https://app.example.org/signed-of")
    line, found = await told(rig, caplog)
    assert found["nearest"] == "https://app.example.org/signed-out"
    assert "offered=https://app.example.org/signed-of nearest=https://app.example.org/signed-out" in line


async def test_a_hint_that_is_wrong_says_nothing_of_a_right_way_back(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.change(provider(1, post_logout_redirect_uris=(RedirectURI("strict", "https://app.example.org/left"),)))
    back = "post_logout_redirect_uri=https://app.example.org/left"
    await rig.call("GET", f"{ROOT}/wiki/end-session/?id_token_hint=a.b.c&{back}")
    _, found = await told(rig, caplog)
    assert "offered" not in found
    assert "nearest" not in found


async def test_a_person_whom_the_policies_refuse(both: Rig, caplog: pytest.LogCaptureFixture) -> None:
    both.change(PolicyBinding(pk="b", target="app", user=8, order=0))
    await both.browser.sign_in()
    assert (await both.browser.authorize()).status == 200
    line, found = await told(both, caplog)
    assert "access_denied" in line
    assert "user=ada" in line
    assert found["application"]["slug"] == "wiki"
    assert json.loads((await both.events(ACTION))[0]["who"])["username"] == "ada"
    (step,) = found["trace"]["steps"]
    assert (step["kind"], step["binding"], step["result"]) == ("user", "b", False)


async def test_a_flow_whose_policies_refuse(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.change(PolicyBinding(pk="b", target="silent", user=8, order=0))
    await rig.browser.sign_in()
    await rig.browser.authorize()
    line, found = await told(rig, caplog)
    await rig.browser.look("silent")
    assert line.startswith("flow silent refused: access_denied")
    assert "user=ada" in line
    assert found["application"]["name"] == "Wiki"
    (step,) = found["trace"]["steps"]
    assert (found["trace"]["target"], step["binding"], step["result"]) == ("silent", "b", False)


@pytest.mark.parametrize(
    ("expression", "how"), [("return True", "recognised"), ("import os\nreturn os.getpid()", "failed")]
)
async def test_a_stage_that_refuses_names_what_led_to_it(
    rig: Rig, caplog: pytest.LogCaptureFixture, expression: str, how: str
) -> None:
    rig.change(
        DenyStage(pk="deny", name="closed", deny_message="Closed."),
        FlowStageBinding(pk="place", target="silent", stage="deny", order=0),
        ExpressionPolicy(pk="p", name="after-hours", expression=expression),
        PolicyBinding(pk="b", target="place", policy="p", order=0),
    )
    await rig.browser.sign_in()
    await rig.browser.authorize()
    line, found = await told(rig, caplog)
    assert line.startswith("flow silent refused: access_denied")
    assert found["stage"] == "closed"
    (step,) = found["trace"]["steps"]
    assert (found["trace"]["target"], step["name"], step["how"]) == ("place", "after-hours", how)


async def test_an_application_that_is_opened_from_the_library(both: Rig, caplog: pytest.LogCaptureFixture) -> None:
    both.change(PolicyBinding(pk="b", target="app", user=8, order=0))
    await both.browser.sign_in()
    answer = await both.browser.get("/application/launch/wiki/")
    assert b"You have no access to this application." in answer.body
    line, found = await told(both, caplog)
    assert line.startswith("/application/launch/wiki/ refused: access_denied")
    assert "user=ada" in line
    assert found["application"] == {"pk": "app", "name": "Wiki", "slug": "wiki"}
    (step,) = found["trace"]["steps"]
    assert (step["binding"], step["result"]) == ("b", False)


POSTS = {
    "a wrong secret": ("token", ("wiki", "wrong"), {"grant_type": "client_credentials"}, "wiki"),
    "an unknown client": ("token", ("nobody", "x"), {"grant_type": "client_credentials"}, "nobody"),
    "an unknown code": ("token", ("wiki", SECRET), {"grant_type": "authorization_code", "code": "x"}, "wiki"),
    "an unknown refresh token": ("token", ("wiki", SECRET), {"grant_type": "refresh_token", "refresh_token": "x"}, "wiki"),
    "introspection": ("introspect", ("wiki", "wrong"), {"token": "x"}, "wiki"),
    "introspection without a token": ("introspect", ("wiki", SECRET), {}, "wiki"),
    "revocation": ("revoke", ("wiki", "wrong"), {"token": "x"}, "wiki"),
    "revocation without a token": ("revoke", ("wiki", SECRET), {}, "wiki"),
    "a pushed request": ("par", ("wiki", "wrong"), {}, "wiki"),
    "a pushed address": ("par", ("wiki", SECRET), {"redirect_uri": "https://evil.example/"}, "wiki"),
    "a device": ("device", ("wiki", "wrong"), {}, "wiki"),
}  # fmt: skip


@pytest.mark.parametrize("call", POSTS.values(), ids=POSTS)
async def test_what_programs_call(
    both: Rig, caplog: pytest.LogCaptureFixture, call: tuple[str, tuple[str, str], dict[str, str], str]
) -> None:
    place, basic, form, client = call
    headers = {"authorization": basic_header(*basic)}
    answer = json_of(await both.call("POST", f"{ROOT}/{place}/", form=form, headers=headers))
    line, found = await told(both, caplog)
    assert f"client={client}" in line
    assert (found.get("application") or found)["client_id"] == client
    assert (found["error"], found["request_id"]) == (answer["error"], answer["request_id"])
    assert found["reason"]
    assert SECRET not in line


async def test_userinfo(both: Rig, caplog: pytest.LogCaptureFixture) -> None:
    await both.browser.sign_in()
    tokens = await both.browser.tokens(scope="email")
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert (await both.call("GET", f"{ROOT}/userinfo/", headers=headers)).status == 403
    line, _ = await told(both, caplog)
    assert "lacks openid" in line
    assert "client=wiki" in line
    assert tokens["access_token"] not in line


@pytest.mark.parametrize("query", [{"prompt": "none"}])
async def test_what_is_usual_is_not_told(rig: Rig, caplog: pytest.LogCaptureFixture, query: dict[str, str]) -> None:
    brand = rig.brand
    rig.change(dataclasses.replace(brand, flow_device_code="ask"))
    await rig.browser.authorize(**query)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "client_id": "wiki"}
    headers = {"authorization": basic_header("wiki", SECRET)}
    device = json_of(await rig.call("POST", f"{ROOT}/device/", form={"client_id": "wiki"}))
    form["device_code"] = device["device_code"]
    assert (
        json_of(await rig.call("POST", f"{ROOT}/token/", form=form, headers=headers))["error"]
        == "authorization_pending"
    )
    assert not [record for record in caplog.records if " refused: " in record.getMessage()]
    assert not await rig.events(ACTION)


def refusal(**changes: Any) -> Refusal:
    usual = {"where": "/x", "error": "invalid", "reason": "r", "address": "192.0.2.1", "request_id": "1"}
    return Refusal(**{**usual, **changes})


class TestBounds:
    """A68: strangers multiply neither rows nor what is remembered of them."""

    def test_a68_the_same_again_is_counted(self) -> None:
        refusals = Refusals()
        rows = [refusals.note(refusal(), now=0) for _ in range(50)]
        assert sum(row is not None for row in rows) == 1
        later = refusals.note(refusal(), now=WINDOW)
        assert later is not None
        assert '"others_not_written":49' in str(later.parameters)

    def test_a68_one_address_writes_few(self) -> None:
        refusals = Refusals()
        rows = [refusals.note(refusal(reason=str(number)), now=0) for number in range(200)]
        assert sum(row is not None for row in rows) == MAX_OF_ONE
        assert refusals.note(refusal(address="192.0.2.2"), now=0) is not None

    def test_a68_all_together_not_many(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.CRITICAL)  # ten thousand lines cost more than what they are about
        refusals = Refusals()
        rows = [refusals.note(refusal(address=f"10.0.{n // 250}.{n % 250}"), now=0) for n in range(10_000)]
        assert sum(row is not None for row in rows) == MAX_OF_STRANGERS
        known = refusals.note(refusal(address="192.0.2.1", user={"pk": 7, "username": "ada"}), now=0)
        assert known is not None, "they do not take the room of people who are known"
        assert max(len(refusals._window.seen), len(refusals._window.of_one)) <= 4096

    def test_a68_what_is_sent_is_cut(self, caplog: pytest.LogCaptureFixture) -> None:
        row = Refusals().note(
            refusal(client_id="é" * 9000, reason="x" * 9000, offered="https://a/" + "b" * 9000), now=0
        )
        assert row is not None
        assert len(str(row.parameters)) < 2500
        assert len(caplog.records[0].getMessage()) < 2500


async def test_a_database_that_is_away_changes_no_answer(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    from ostiary.store.database import Unavailable

    class Away:
        async def write(self, _: object) -> None:
            raise Unavailable

    caplog.set_level(logging.WARNING)
    await Refusals().record(Away(), refusal(), now=rig.now)  # type: ignore[arg-type]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


class TestPages:
    """What a page of refusal says: the number of the event, who is signed in, and the way for somebody else."""

    async def number(self, rig: Rig) -> str:
        (row,) = await rig.events(ACTION)
        assert json.loads(row["who"])["username"] == "ada"
        return str(context(row)["request_id"])

    @pytest.mark.parametrize(
        "url",
        [
            authorize_url(client_id="nobody"),
            authorize_url(redirect_uri="https://evil.example/"),
            authorize_url(request_uri="urn:x", redirect_uri=""),
            f"{ROOT}/wiki/end-session/?client_id=other",
            "/device",
            "/device/authorize/?code=123456789",
        ],
    )
    async def test_errors_of_the_protocol(self, rig: Rig, url: str) -> None:
        await rig.browser.sign_in()
        page = (await rig.browser.get(url)).body.decode()
        assert f"request {await self.number(rig)}" in page
        assert "<dt>Signed in as</dt><dd>ada</dd>" in page

    async def test_policies_at_the_application(self, rig: Rig) -> None:
        rig.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        await rig.browser.sign_in()
        page = (await rig.browser.authorize()).body.decode()
        assert f"Request {await self.number(rig)}" in page
        assert "<dt>Application</dt><dd>Wiki</dd>" in page
        assert "<dt>Signed in as</dt><dd>ada</dd>" in page
        assert "Sign in as somebody else</a>" in page

    @pytest.mark.parametrize("of_flow", [True, False])
    async def test_a_flow_or_a_stage_whichever_request_shows_it(self, rig: Rig, of_flow: bool) -> None:
        refusing: list[Resource] = [DenyStage(pk="deny", name="closed")]
        refusing += (
            [PolicyBinding(pk="b", target="silent", user=8, order=0)]
            if of_flow
            else [FlowStageBinding(pk="place", target="silent", stage="deny", order=0)]
        )
        rig.change(*refusing)
        await rig.browser.sign_in()
        url = location(await rig.browser.authorize())
        page = (await rig.browser.get(url)).body.decode()
        assert f"Request {await self.number(rig)}" in page
        assert "<dt>Application</dt><dd>Wiki</dd>" in page
        assert "<dt>Signed in as</dt><dd>ada</dd>" in page
        link = re.search(r'href="([^"]+)">Sign in as somebody else</a>', page)
        assert link is not None
        another = location(await rig.browser.get(html.unescape(link[1])))
        assert "ostiary_return=sign-in" in unquote(another), "a new sign-in, though somebody is signed in"

    async def test_a_way_back_that_is_not_listed(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        response = await rig.browser.get(f"{ROOT}/wiki/end-session/?post_logout_redirect_uri=https://evil.example/")
        page = (await rig.browser.get(location(response))).body.decode()
        (row,) = await rig.events(ACTION)
        assert f"Request {context(row)['request_id']}" in page


class TestWrongAudience:
    """What was made for somebody else: the event says for whom, and who we are."""

    async def event(self, rig: Rig) -> dict[str, Any]:
        (row,) = await rig.events(ACTION)
        return context(row)

    async def test_a_client_assertion(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        key = Key()
        rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))
        for audience, offered in (
            ("https://id.example.com/application/o/token/", "https://id.example.com/application/o/token/"),
            ([TOKEN_URL, "https://other/"], f"{TOKEN_URL} https://other/"),
        ):
            caplog.clear()
            await rig.run(Statement("DELETE FROM event"))
            form = {"client_assertion_type": JWT_BEARER, "client_assertion": key.assertion(rig.now, aud=audience)}
            answer = await rig.token(None, grant_type="client_credentials", client_id="wiki", **form)
            assert (answer.status, json_of(answer)["error"]) == (401, "invalid_client")
            line, found = await told(rig, caplog)
            assert found["reason"].startswith("client_assertion: aud is ")
            assert (found["offered"], found["nearest"]) == (offered, TOKEN_URL)
            assert f"nearest={TOKEN_URL}" in line
            rig.now += WINDOW
        assert "other" not in answer.body.decode()

    async def test_a_request_object(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        key = Key()
        rig.change(provider(1, jwks=key.jwks))
        claims = {"client_id": "wiki", "response_type": "code", "redirect_uri": CALLBACK, "aud": "https://other/x?s=1"}
        token = key.sign({"alg": "ES256", "typ": "oauth-authz-req+jwt"}, claims)
        await rig.call("GET", f"{ROOT}/authorize/?client_id=wiki&redirect_uri={quote(CALLBACK)}&request={token}")
        _, found = await told(rig, caplog)
        assert (found["reason"], found["offered"]) == ("aud is somebody else", "https://other/x")
        assert found["nearest"].startswith("https://id.example.org/")

    async def test_a_token_of_another_provider(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        resources = ("https://api.example.org/",)
        rig.change(provider(2, client_id="other", resources=resources), provider(1, jwt_federation_providers=(2,)))
        mine = json_of(
            await rig.token(("other", SECRET), grant_type="client_credentials", resource="https://api.example.org/")
        )
        form = {"client_assertion_type": JWT_BEARER, "client_assertion": mine["access_token"]}
        answer = await rig.token(None, grant_type="client_credentials", client_id="wiki", **form)
        assert json_of(answer)["error"] == "invalid_grant"
        _, found = await told(rig, caplog)
        assert found["reason"] == "federated token: aud is somebody else"
        assert found["offered"] == "https://api.example.org/"
        assert found["nearest"]

    @pytest.mark.parametrize("endpoint", ["introspect", "revoke"])
    async def test_a_token_of_another_client(self, rig: Rig, caplog: pytest.LogCaptureFixture, endpoint: str) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        for name in ("access_token", "refresh_token"):
            caplog.clear()
            await rig.run(Statement("DELETE FROM event"))
            headers = {"authorization": basic_header("other", SECRET)}
            answer = await rig.call("POST", f"{ROOT}/{endpoint}/", form={"token": tokens[name]}, headers=headers)
            assert (answer.status, json_of(answer)) == (200, {"active": False} if endpoint == "introspect" else {})
            line, found = await told(rig, caplog)
            assert found["reason"] == "the token was issued to another application, Wiki"
            assert found["application"]["slug"] == "other"
            assert tokens[name] not in line
            rig.now += WINDOW

    async def test_a_token_that_may_not_use_our_api(self, rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        assert (await rig.call("GET", "/api/v3/core/users/me/", headers=headers)).status == 403
        _, found = await told(rig, caplog)
        assert (
            found["reason"] == "an access token of Wiki that may not use the API: it lacks the scope goauthentik.io/api"
        )
