"""The authorization endpoint: who gets a code, who gets a flow, who gets a page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECOND,
    VERIFIER,
    Rig,
    answer_of,
    authorize_url,
    json_of,
    location,
    page_of,
    posted,
    provider,
    verified,
)

from ostiary.policies.resources import PolicyBinding
from ostiary.providers.oauth2.provider.fields import RedirectURI

FLOW = "/if/flow/"


async def test_the_straight_road(both: Rig) -> None:
    await both.browser.sign_in()
    response = await both.browser.authorize()
    url = location(response)
    assert url.startswith(CALLBACK + "&code=")
    answer = answer_of(response)
    assert answer.keys() == {"x", "code", "state", "iss", "session_state"}
    assert answer["state"] == "st"
    assert answer["iss"] == "https://id.example.org/application/o/wiki/"
    (event,) = await both.events("authorize_application")
    assert event["username"] == "ada"


async def test_the_code_is_stored_as_hash_only(rig: Rig) -> None:
    await rig.browser.sign_in()
    code = await rig.browser.code()
    assert len(code) >= 43
    (row,) = await rig.rows("SELECT * FROM single_use")
    assert code not in str(dict(row))


async def test_without_state_none_is_sent(rig: Rig) -> None:
    await rig.browser.sign_in()
    assert "state" not in answer_of(await rig.browser.authorize(state=""))


async def test_fragment(rig: Rig) -> None:
    await rig.browser.sign_in()
    response = await rig.browser.authorize(response_mode="fragment")
    assert "code" in answer_of(response, "fragment")
    assert "code" not in answer_of(response)


async def test_a_post_becomes_a_get(rig: Rig) -> None:
    await rig.browser.sign_in()
    response = await rig.call(
        "POST",
        "/application/o/authorize/",
        form={"client_id": "wiki", "redirect_uri": CALLBACK, "response_type": "code"},
    )
    assert response.status == 303
    assert "code" in answer_of(await rig.browser.get(location(response)))


class TestPages:
    """What goes wrong before the address is trusted is told to the person (RFC 6749 4.1.2.1)."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "nobody"},
            {"client_id": ""},
            {"redirect_uri": ""},
            {"redirect_uri": "https://evil.example/cb"},
            {"redirect_uri": CALLBACK + "/"},
            {"redirect_uri": "javascript:alert(1)"},
        ],
    )
    async def test_a01_refused_without_redirect(self, rig: Rig, changes: dict[str, str]) -> None:
        await rig.browser.sign_in()
        response = await rig.browser.authorize(**changes)
        assert response.status == 400
        assert response.header("location") is None

    @pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
    async def test_a07_twice(self, rig: Rig, name: str) -> None:
        await rig.browser.sign_in()
        values = {"client_id": "wiki", "redirect_uri": CALLBACK}
        response = await rig.browser.get(authorize_url() + "&" + urlencode({name: values[name]}))
        assert response.status == 400

    async def test_nothing_at_all(self, rig: Rig) -> None:
        assert (await rig.browser.get("/application/o/authorize/")).status == 400

    async def test_an_empty_list_refuses(self, rig: Rig) -> None:
        rig.change(provider(1, redirect_uris=()))
        await rig.browser.sign_in()
        assert (await rig.browser.authorize()).status == 400
        learned = rig.plane.snapshot.get(type(provider(1)), 1)
        assert learned is not None
        assert learned.redirect_uris == (), "nothing is learned from a request"

    async def test_a_provider_without_application(self, rig: Rig) -> None:
        rig.drop("authentik_core.application", "app")
        assert (await rig.browser.authorize()).status == 400

    async def test_too_long(self, rig: Rig) -> None:
        assert (await rig.browser.get(authorize_url(login_hint="x" * 32_000))).status == 414

    async def test_a_pattern_is_anchored(self, rig: Rig) -> None:
        rig.change(provider(1, redirect_uris=(RedirectURI("regex", r"https://[a-z]+\.example\.org/cb"),)))
        await rig.browser.sign_in()
        assert "code" in answer_of(await rig.browser.authorize(redirect_uri="https://any.example.org/cb"))
        assert (await rig.browser.authorize(redirect_uri="https://any.example.org/cb.evil")).status == 400


def slug_of(url: str) -> str:
    return urlsplit(url).path.removeprefix(FLOW).strip("/")


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post", "jwt"])
async def test_state_and_nonce_of_eight_kibibytes(both: Rig, mode: str) -> None:
    """The whole road: sign-in, consent, the answer, the code's row, the tokens."""
    both.change(provider(1, authorization_flow="ask"))
    state, nonce = "s" * 8192, "n" * 8192
    browser = both.browser
    flow = location(await browser.authorize(state=state, nonce=nonce, response_mode=mode))
    await browser.sign_in()
    back = await browser.finish_flow(slug_of(flow))
    consent = slug_of(location(await browser.get(back)))
    token = (await browser.look(consent)).fields["token"]
    await browser.answer(consent, {"token": token})
    answer = await browser.get(await browser.finish_flow(consent))
    if mode == "form_post":
        members = posted(answer)
    else:
        members = answer_of(answer, "fragment" if mode == "fragment" else "query")
    if mode == "jwt":
        members = await verified(both, members["response"])
    assert members["state"] == state
    form: dict[str, Any] = {"code": members["code"], "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    tokens = json_of(await both.token(grant_type="authorization_code", **form))
    assert (await verified(both, tokens["id_token"]))["nonce"] == nonce
    for name in ("state", "nonce"):
        assert answer_of(await browser.authorize(**{name: "x" * 8193}))["error"] == "invalid_request"


class TestResources:
    """RFC 8707, for those who have set resources up; authentik's clients send what it never looks at."""

    @pytest.mark.parametrize("resource", ["https://api.example.org/", "/relative", "https://a/#b"])
    async def test_without_resources_it_means_nothing(self, rig: Rig, resource: str) -> None:
        await rig.browser.sign_in()
        code = await rig.browser.code(resource=resource)
        form: dict[str, Any] = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "resource": resource}
        answer = await rig.token(grant_type="authorization_code", **form)
        assert (await verified(rig, json_of(answer)["access_token"]))["aud"] == "wiki"
        refresh = {"refresh_token": json_of(answer)["refresh_token"], "resource": resource}
        assert (await rig.token(grant_type="refresh_token", **refresh)).status == 200
        assert (await rig.token(grant_type="client_credentials", resource=resource)).status == 200

    @pytest.mark.parametrize("resource", ["https://other.example.org/", "/relative", "https://a/#b"])
    async def test_with_resources_others_are_refused(self, rig: Rig, resource: str) -> None:
        rig.change(provider(1, resources=("https://api.example.org/",)))
        assert answer_of(await rig.browser.authorize(resource=resource))["error"] == "invalid_target"
        answer = await rig.token(grant_type="client_credentials", resource=resource)
        assert json_of(answer)["error"] == "invalid_target"


class TestErrorsToTheClient:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": "code none"}, "unsupported_response_type"),
            ({"response_type": "code code"}, "unsupported_response_type"),
            ({"response_type": ""}, "invalid_request"),
            ({"request": "x"}, "invalid_request_object"),
            ({"request_uri": "https://app.example.org/request.jwt"}, "request_uri_not_supported"),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request_uri"),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:x", "request": "x"}, "invalid_request"),
            ({"claims": "[]"}, "invalid_request"),
            ({"dpop_jkt": "short"}, "invalid_request"),
            ({"prompt": "none select_account"}, "invalid_request"),
            ({"id_token_hint": "x.y.z"}, "invalid_request"),
            ({"code_challenge_method": "S512"}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"max_age": "x"}, "invalid_request"),
        ],
    )
    async def test_codes(self, rig: Rig, changes: dict[str, str], error: str) -> None:
        answer = answer_of(await rig.browser.authorize(**changes))
        assert (answer["error"], answer["state"]) == (error, "st")
        assert answer["iss"]

    async def test_a07_repeated_parameter(self, rig: Rig) -> None:
        assert answer_of(await rig.browser.get(authorize_url() + "&scope=x"))["error"] == "invalid_request"


class TestScope:
    async def test_a11_only_what_is_offered(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert (await rig.browser.tokens(scope="openid admin email"))["scope"] == "openid email"

    async def test_none_means_all(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert "profile" in (await rig.browser.tokens(scope=""))["scope"].split()

    async def test_openid_works_without_its_mapping(self, rig: Rig) -> None:
        rig.change(provider(1, property_mappings=()))
        await rig.browser.sign_in()
        assert (await rig.browser.tokens(scope="openid"))["scope"] == "openid"


class TestSignIn:
    async def test_through_the_flow_and_back(self, rig: Rig) -> None:
        response = await rig.browser.authorize(login_hint="ada")
        assert page_of(response) == FLOW + "login/"
        await rig.browser.sign_in()
        back = await rig.browser.finish_flow("login")
        assert back.startswith("/application/o/authorize/?")
        assert "code" in answer_of(await rig.browser.get(back))

    async def test_the_providers_own_flow(self, rig: Rig) -> None:
        rig.change(provider(1, authentication_flow="leave"))
        assert page_of(await rig.browser.authorize()) == FLOW + "leave/"

    async def test_no_flow_at_all(self, rig: Rig) -> None:
        rig.drop("authentik_brands.brand", "brand")
        assert (await rig.browser.authorize()).status == 404

    async def test_a58_a_disabled_person_is_not_signed_in(self, rig: Rig) -> None:
        await rig.browser.sign_in(9, "eve")
        assert page_of(await rig.browser.authorize()) == FLOW + "login/"

    async def test_prompt_none(self, rig: Rig) -> None:
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"
        await rig.browser.sign_in()
        assert "code" in answer_of(await rig.browser.authorize(prompt="none"))

    async def test_prompt_login_asks_once(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert page_of(await rig.browser.authorize(prompt="login")) == FLOW + "login/"
        back = await rig.browser.finish_flow("login")
        assert "code" in answer_of(await rig.browser.get(back))
        assert page_of(await rig.browser.get(back)) == FLOW + "login/", "the proof was used"

    async def test_our_own_parameter_proves_nothing(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        for mark in ("sign-in", "authorize"):
            response = await rig.browser.get(authorize_url(prompt="login") + f"&ostiary_return={mark}")
            assert page_of(response) == FLOW + "login/"

    async def test_a_proof_is_for_one_request(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize(prompt="login")
        back = await rig.browser.finish_flow("login")
        assert page_of(await rig.browser.get(back.replace("state=st", "state=other"))) == FLOW + "login/"

    async def test_max_age(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        rig.now += 60 * SECOND
        assert "code" in answer_of(await rig.browser.authorize(max_age="61"))
        assert page_of(await rig.browser.authorize(max_age="60")) == FLOW + "login/"
        assert answer_of(await rig.browser.authorize(max_age="60", prompt="none"))["error"] == "login_required"

    async def test_max_age_zero_ends(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize(max_age="0")
        await rig.browser.sign_in()
        assert "code" in answer_of(await rig.browser.get(await rig.browser.finish_flow("login")))


class TestPolicies:
    async def test_refused_by_a_page(self, both: Rig) -> None:
        both.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        await both.browser.sign_in()
        response = await both.browser.authorize()
        assert response.status == 200
        assert b"You have no access to this application." in response.body
        await both.browser.sign_in(8, "bob")
        assert "code" in answer_of(await both.browser.authorize())

    async def test_every_time_anew(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.code()
        rig.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        assert (await rig.browser.authorize()).status == 200


class TestConsent:
    @pytest.fixture(autouse=True)
    def token_request(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="ask"))

    async def test_asked_once_then_remembered(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert page_of(await rig.browser.authorize()) == FLOW + "ask/"
        back = await self.allow(rig)
        assert "code" in answer_of(await rig.browser.get(back))
        assert "code" in answer_of(await rig.browser.authorize()), "silent now"

    async def allow(self, rig: Rig) -> str:
        challenge = await rig.browser.look("ask")
        assert [one["id"] for one in challenge.fields["permissions"]] == [
            "email",
            "offline_access",
            "openid",
            "profile",
        ]
        await rig.browser.answer("ask", {"token": challenge.fields["token"]})
        return await rig.browser.finish_flow("ask")

    async def test_a30_no_code_without_consent(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        response = await rig.browser.get(authorize_url() + "&ostiary_return=authorize")
        assert page_of(response) == FLOW + "ask/"
        assert not await rig.rows("SELECT 1 FROM single_use")

    async def test_the_consent_of_one_is_not_that_of_another(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        back = await self.allow(rig)
        await rig.browser.sign_in(8, "bob")
        assert page_of(await rig.browser.get(back)) == FLOW + "ask/"

    async def test_prompt_none(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "consent_required"

    async def test_prompt_consent_asks_again(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        await rig.browser.get(await self.allow(rig))
        assert page_of(await rig.browser.authorize(prompt="consent")) == FLOW + "ask/"
        assert answer_of(await rig.browser.authorize(prompt="none consent"))["error"] == "consent_required"

    async def test_prompt_consent_finds_a_flow_that_asks(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="silent"))
        await rig.browser.sign_in()
        assert page_of(await rig.browser.authorize(prompt="consent")) == FLOW + "silent/", "the provider's own flow"
        challenge = await rig.browser.look("silent")
        assert challenge.component == "ak-stage-consent"
        await rig.browser.answer("silent", {"token": challenge.fields["token"]})
        assert "code" in answer_of(await rig.browser.get(await rig.browser.finish_flow("silent")))
        assert answer_of(await rig.browser.authorize(prompt="none consent"))["error"] == "consent_required"
        rig.drop("authentik_flows.flowstagebinding", "b1")
        assert answer_of(await rig.browser.authorize(prompt="consent"))["error"] == "consent_required"


class TestNoConsent:
    """A person who says no is an answer (RFC 6749 4.1.2.1)."""

    @pytest.fixture(autouse=True)
    def token_request(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="ask"))

    async def refuse(self, rig: Rig, **answer: object) -> str:
        challenge = await rig.browser.look("ask")
        await rig.browser.answer("ask", {"token": challenge.fields["token"], "deny": "true", **answer})
        return await rig.browser.finish_flow("ask")

    async def test_the_application_hears_of_it_once(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        back = await self.refuse(rig)
        response = await rig.browser.get(back)
        assert location(response).startswith(CALLBACK + "&")
        answer = answer_of(response)
        assert (answer["error"], answer["state"]) == ("access_denied", "st")
        assert answer["iss"] == BASE + "/application/o/wiki/"
        assert "code" not in answer
        assert page_of(await rig.browser.get(back)) == FLOW + "ask/", "asked anew"
        assert not await rig.rows("SELECT 1 FROM single_use")
        assert page_of(await rig.browser.authorize()) == FLOW + "ask/", "nothing is remembered"

    async def test_in_the_way_the_request_wants(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="ask", grant_types=("authorization_code", "implicit")))
        await rig.browser.sign_in()
        await rig.browser.authorize(response_type="id_token", prompt="consent")
        answer = answer_of(await rig.browser.get(await self.refuse(rig)), "fragment")
        assert (answer["error"], answer["state"]) == ("access_denied", "st")

    async def test_a30_a_no_is_no_proof_of_a_yes(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        back = await self.refuse(rig)
        yes = back.replace("ostiary_return=declined", "ostiary_return=authorize")
        assert yes != back
        assert page_of(await rig.browser.get(yes)) == FLOW + "ask/"
        assert not await rig.rows("SELECT 1 FROM single_use")

    async def test_a30_nobody_elses_page_says_no(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        await rig.browser.look("ask")
        await rig.browser.answer("ask", {"token": "odd", "deny": "true"})
        assert (await rig.browser.look("ask")).component == "ak-stage-consent"
        assert page_of(await rig.browser.get(authorize_url() + "&ostiary_return=declined")) == FLOW + "ask/"

    async def test_the_no_of_one_is_not_that_of_another(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        back = await self.refuse(rig)
        await rig.browser.sign_in(8, "bob")
        assert page_of(await rig.browser.get(back)) == FLOW + "ask/"

    async def test_other_values_are_a_yes(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        await rig.browser.authorize()
        assert "code" in answer_of(await rig.browser.get(await self.refuse(rig, deny=False)))


class TestConsentToSingleClaims:
    """OpenID Connect Core 5.5: what is asked for by name is shown, and allowed, like a scope."""

    async def test_shown_and_remembered(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="ask"))
        await rig.browser.sign_in()
        wanted = {"scope": "openid", "claims": '{"userinfo": {"email": null, "shoe_size": null}}'}
        await rig.browser.authorize(**wanted)
        challenge = await rig.browser.look("ask")
        openid = {"id": "openid", "name": ""}
        assert challenge.fields["permissions"] == [openid, {"id": "claim:email", "name": "email"}], (
            "what nobody has is not asked"
        )
        await rig.browser.answer("ask", {"token": challenge.fields["token"]})
        assert "code" in answer_of(await rig.browser.get(await rig.browser.finish_flow("ask")))
        assert "code" in answer_of(await rig.browser.authorize(**wanted)), "silent now"
        other = {"scope": "openid", "claims": '{"id_token": {"groups": {"essential": true}}}'}
        assert page_of(await rig.browser.authorize(**other)) == FLOW + "ask/"


async def test_the_silent_path_takes_three_round_trips(both: Rig) -> None:
    await both.browser.sign_in()
    await both.browser.code()
    both.database.trips = 0
    await both.browser.code()
    assert both.database.trips == 3  # session, person, code with its event


async def test_issuer_modes(rig: Rig) -> None:
    rig.change(replace(provider(1), issuer_mode="global"))
    await rig.browser.sign_in()
    assert answer_of(await rig.browser.authorize())["iss"] == "https://id.example.org/"
    assert (
        json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))["issuer"]
        == "https://id.example.org/"
    )
