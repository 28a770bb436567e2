"""Pushed (RFC 9126) and signed (RFC 9101) authorization requests."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from oauth2_rig import (
    BASE,
    CALLBACK,
    CHALLENGE,
    SECOND,
    SECRET,
    VERIFIER,
    Rig,
    answer_of,
    authorize_url,
    basic_header,
    json_of,
    location,
    page_of,
    provider,
)

from ostiary.proto.jose import SigningKey, public_jwk, sign
from ostiary.providers.oauth2.authorize.endpoint import authorize_endpoint
from ostiary.providers.oauth2.options import HOUR, Rate
from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.resource import InvalidResource
from ostiary.signon.protocols import Protocols
from ostiary.web.request import Request
from ostiary.web.response import Response

PAR = "/application/o/par/"
LOGIN = "/if/flow/login/"
KEY = ec.generate_private_key(ec.SECP256R1())
REQUEST = {
    "client_id": "wiki",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid email",
    "state": "pushed",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


async def push(rig: Rig, client: tuple[str, str] | None = ("wiki", SECRET), **changes: str) -> Response:
    form = {name: value for name, value in {**REQUEST, **changes}.items() if value}
    headers = {} if client is None else {"authorization": basic_header(*client)}
    return await rig.call("POST", PAR, form=form, headers=headers)


async def pushed(rig: Rig, **changes: Any) -> str:
    response = await push(rig, **changes)
    assert response.status == 201, response.body
    return str(json_of(response)["request_uri"])


def begin_url(request_uri: str, client_id: str = "wiki", **more: str) -> str:
    return "/application/o/authorize/?" + urlencode({"client_id": client_id, "request_uri": request_uri, **more})


class TestPushed:
    async def test_the_straight_road(self, both: Rig) -> None:
        response = await push(both)
        answer = json_of(response)
        assert (response.status, answer["expires_in"]) == (201, 90)
        assert response.header("cache-control") == "no-store"
        assert answer["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        (row,) = await both.rows("SELECT * FROM single_use")
        assert answer["request_uri"].rpartition(":")[2] not in str(dict(row)), "kept as hash only"
        assert SECRET not in str(dict(row))
        await both.browser.sign_in()
        found = answer_of(await both.browser.get(begin_url(answer["request_uri"])))
        assert found["state"] == "pushed"
        exchanged = await both.token(
            grant_type="authorization_code", code=found["code"], redirect_uri=CALLBACK, code_verifier=VERIFIER
        )
        assert json_of(exchanged)["scope"] == "openid email"

    async def test_used_once(self, both: Rig) -> None:
        uri = await pushed(both)
        await both.browser.sign_in()
        assert "code" in answer_of(await both.browser.get(begin_url(uri)))
        assert (await both.browser.get(begin_url(uri))).status == 400
        assert (
            answer_of(await both.browser.get(begin_url(uri, redirect_uri=CALLBACK)))["error"] == "invalid_request_uri"
        )

    async def test_of_many_at_once_one_is_answered(self, both: Rig) -> None:
        uri = await pushed(both)
        await both.browser.sign_in()
        cookie = {"cookie": both.browser.cookie}
        found = await asyncio.gather(*(both.call("GET", begin_url(uri), headers=cookie) for _ in range(12)))
        codes = [one for one in found if one.status == 302 and "code" in answer_of(one)]
        assert len(codes) == 1
        assert len(await both.rows("SELECT 1 FROM grant_family")) == 1

    async def test_what_the_browser_adds_does_not_count(self, rig: Rig) -> None:
        uri = await pushed(rig)
        await rig.browser.sign_in()
        url = begin_url(
            uri, scope="openid profile", state="mine", redirect_uri="https://app.example.org/bye", prompt="none"
        )
        response = await rig.browser.get(url)
        assert location(response).startswith(CALLBACK)
        assert answer_of(response)["state"] == "pushed"

    async def test_a69_public_clients_push_so_many_from_one_address(self, both: Rig) -> None:
        options = dataclasses.replace(both.services.options, push_rate=Rate(3, HOUR))  # no setting changes it
        object.__setattr__(both.services, "options", options)
        both.change(provider(1, client_type="public"), provider(2, client_id="other"))
        for _ in range(3):
            both.database.trips = 0
            assert (await push(both, None)).status == 201
            assert both.database.trips == 1
        refused = await push(both, None)
        assert (refused.status, json_of(refused)["error"]) == (429, "temporarily_unavailable")
        assert refused.header("retry-after") == "3600"
        assert len(await both.rows("SELECT 1 FROM single_use")) == 3
        assert (await push(both, ("other", SECRET), client_id="other")).status == 201, (
            "who proves itself is not counted"
        )
        both.now += HOUR
        assert (await push(both, None)).status == 201

    async def test_it_survives_a_long_sign_in(self, both: Rig) -> None:
        uri = await pushed(both)
        both.now += 80 * SECOND
        assert page_of(await both.browser.get(begin_url(uri))) == LOGIN
        both.now += 1200 * SECOND
        await both.browser.sign_in()
        back = await both.browser.finish_flow("login")
        answer = answer_of(await both.browser.get(back))
        assert "code" in answer
        assert answer["state"] == "pushed"

    async def test_and_a_long_consent(self, rig: Rig) -> None:
        rig.change(provider(1, authorization_flow="ask"))
        uri = await pushed(rig)
        await rig.browser.get(begin_url(uri))
        rig.now += 1200 * SECOND
        await rig.browser.sign_in()
        assert page_of(await rig.browser.get(await rig.browser.finish_flow("login"))) == "/if/flow/ask/"
        rig.now += 1200 * SECOND
        challenge = await rig.browser.look("ask")
        await rig.browser.answer("ask", {"token": challenge.fields["token"]})
        assert "code" in answer_of(await rig.browser.get(await rig.browser.finish_flow("ask")))

    @pytest.mark.parametrize("signed_in", [True, False])
    async def test_late_and_without_proof_it_is_refused(self, both: Rig, signed_in: bool) -> None:
        uri = await pushed(both)
        if signed_in:
            await both.browser.sign_in()
        both.now += 90 * SECOND
        response = await both.browser.get(begin_url(uri))
        assert response.status == 400, "nobody began with it: it is forgotten"
        uri = await pushed(both, prompt="login")
        assert page_of(await both.browser.get(begin_url(uri))) == LOGIN
        both.now += 90 * SECOND
        other = await both.call("GET", begin_url(uri, ostiary_return="sign-in"))
        assert answer_of(other)["error"] == "invalid_request_uri", "another browser"
        mine = await both.browser.get(begin_url(uri, ostiary_return="sign-in"))
        assert answer_of(mine)["error"] == "invalid_request_uri", "this browser, but not back from the flow"

    async def test_its_page_begins_it_for_nobody_else_when_it_is_late(self, rig: Rig) -> None:
        uri = await pushed(rig, prompt="login")
        assert page_of(await rig.browser.get(begin_url(uri))) == LOGIN
        to = dict(parse_qsl(rig.browser.pages["login"]))["next"]
        flow = rig.services.engine.flow("login")
        for seconds, begins in ((30, True), (90, False)):
            rig.now += seconds * SECOND
            request = Request(scheme="https", host="id.example.org")
            begun = await Protocols(authorize_endpoint(rig.services)).find_start(request, flow, to)
            assert (begun is not None and begun.completion is not None) is begins

    async def test_bound_to_its_client(self, rig: Rig) -> None:
        uri = await pushed(rig)
        await rig.browser.sign_in()
        response = await rig.browser.get(begin_url(uri, client_id="other", redirect_uri=CALLBACK))
        assert answer_of(response)["error"] == "invalid_request_uri"
        assert "code" in answer_of(await rig.browser.get(begin_url(uri)))

    async def test_a_provider_may_demand_it(self, rig: Rig) -> None:
        rig.change(provider(1, require_pushed_authorization_requests=True))
        await rig.browser.sign_in()
        assert answer_of(await rig.browser.authorize())["error"] == "invalid_request"
        assert "code" in answer_of(await rig.browser.get(begin_url(await pushed(rig))))

    @pytest.mark.parametrize(
        ("client", "changes", "status", "error"),
        [
            (("wiki", "wrong"), {}, 401, "invalid_client"),
            (None, {}, 401, "invalid_client"),
            (("wiki", SECRET), {"redirect_uri": "https://evil.example/"}, 400, "invalid_request"),
            (("wiki", SECRET), {"redirect_uri": ""}, 400, "invalid_request"),
            (("wiki", SECRET), {"request_uri": "urn:x"}, 400, "invalid_request"),
            (("wiki", SECRET), {"response_type": "token"}, 400, "unauthorized_client"),
            (("wiki", SECRET), {"scope": '"'}, 400, "invalid_scope"),
            (("wiki", SECRET), {"state": "x" * 40_000}, 400, "invalid_request"),
            (("wiki", SECRET), {"client_id": "other"}, 400, "invalid_request"),
            (("wiki", SECRET), {"request": "x"}, 400, "invalid_request_object"),
        ],
    )
    async def test_refused(
        self, rig: Rig, client: tuple[str, str] | None, changes: dict[str, str], status: int, error: str
    ) -> None:
        response = await push(rig, client, **changes)
        assert json_of(response)["error"] == error
        assert response.status in {status, 400}
        assert not await rig.rows("SELECT 1 FROM single_use")

    async def test_methods_and_repeated_parameters(self, rig: Rig) -> None:
        assert (await rig.call("GET", PAR)).status == 405
        form = [*REQUEST.items(), ("client_secret", SECRET), ("scope", "openid")]
        assert json_of(await rig.call("POST", PAR, form=form))["error"] == "invalid_request"

    async def test_a_public_client_only_names_itself(self, rig: Rig) -> None:
        rig.change(provider(1, client_type="public"))
        assert (await push(rig, None)).status == 201
        assert json_of(await push(rig, None, code_challenge="", code_challenge_method=""))["error"] == "invalid_request"


def signed(key: Any = KEY, **claims: object) -> str:
    made = {**REQUEST, "iss": "wiki", "aud": f"{BASE}/application/o/wiki/", "state": "signed", **claims}
    return sign(json.dumps(made).encode(), key if isinstance(key, SigningKey) else SigningKey(key, kid="k"))


def publish(rig: Rig, **changes: object) -> None:
    jwks = {"keys": [{**public_jwk(KEY.public_key()), "kid": "k", "alg": "ES256", "use": "sig"}]}
    rig.change(provider(1, jwks=jwks, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"resources": ["relative"]},
        {"resources": ["https://api/#x"]},
        {"require_signed_request_object": True, "client_type": "public"},
    ],
)
def test_settings_that_could_never_work(changes: dict[str, object]) -> None:
    kind = OAuth2Provider.KIND
    fields = {"name": "p", "authorization_flow": "f", "invalidation_flow": "f", "redirect_uris": [], **changes}
    with pytest.raises(InvalidResource):
        kind.make(1, kind.parse(fields))


class TestSigned:
    async def test_only_its_own_parameters_count(self, rig: Rig) -> None:
        publish(rig)
        await rig.browser.sign_in()
        response = await rig.browser.get(
            authorize_url(
                request=signed(), state="mine", scope="openid profile", redirect_uri="https://app.example.org/bye"
            )
        )
        assert location(response).startswith(CALLBACK)
        assert answer_of(response)["state"] == "signed"
        (row,) = await rig.rows("SELECT body FROM grant_family")
        assert json.loads(row["body"])["scope"] == ["openid", "email"]

    async def test_with_the_client_secret(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = signed(SigningKey(SECRET.encode()))
        assert answer_of(await rig.browser.authorize(request=token))["state"] == "signed"
        rig.change(provider(1, client_type="public"))
        answer = answer_of(await rig.browser.authorize(request=token))
        assert answer["error"] == "invalid_request_object", "a public client has no secret to sign with"

    @pytest.mark.parametrize(
        "token",
        [
            signed(client_id="other"),
            signed(iss="other"),
            signed(aud="https://other.example/"),
            signed(ec.generate_private_key(ec.SECP256R1())),
            signed(sub="wiki"),
        ],
    )
    async def test_refused(self, rig: Rig, token: str) -> None:
        publish(rig)
        await rig.browser.sign_in()
        answer = answer_of(await rig.browser.authorize(request=token))
        assert (answer["error"], answer["state"]) == ("invalid_request_object", "st")

    async def test_a01_an_address_inside_is_checked_like_any(self, rig: Rig) -> None:
        publish(rig)
        await rig.browser.sign_in()
        response = await rig.browser.authorize(request=signed(redirect_uri="https://evil.example/"))
        assert response.status == 400
        assert response.header("location") is None

    async def test_it_expires_but_not_while_somebody_signs_in(self, both: Rig) -> None:
        publish(both)
        token = signed(exp=both.now // SECOND + 60)
        assert page_of(await both.browser.authorize(request=token)) == LOGIN
        both.now += 1200 * SECOND
        await both.browser.sign_in()
        back = await both.browser.finish_flow("login")
        assert answer_of(await both.browser.get(back))["state"] == "signed"
        assert answer_of(await both.browser.get(back))["error"] == "invalid_request_object", "the proof was used"
        assert answer_of(await both.browser.authorize(request=token))["error"] == "invalid_request_object"

    async def test_a_provider_may_demand_it(self, rig: Rig) -> None:
        publish(rig, require_signed_request_object=True)
        await rig.browser.sign_in()
        assert answer_of(await rig.browser.authorize())["error"] == "invalid_request"
        assert json_of(await push(rig))["error"] == "invalid_request"
        response = await rig.call(
            "POST", PAR, form={"client_id": "wiki", "client_secret": SECRET, "request": signed(), "state": "mine"}
        )
        uri = json_of(response)["request_uri"]
        assert answer_of(await rig.browser.get(begin_url(uri)))["state"] == "signed"

    async def test_a_post_may_bring_it(self, rig: Rig) -> None:
        publish(rig)
        await rig.browser.sign_in()
        response = await rig.call("POST", "/application/o/authorize/", form={"client_id": "wiki", "request": signed()})
        assert response.status == 303
        assert answer_of(await rig.browser.get(location(response)))["state"] == "signed"

    async def test_an_expired_one_is_not_pushed(self, rig: Rig) -> None:
        publish(rig)
        response = await push(rig, request=signed(exp=rig.now // SECOND - 61))
        assert json_of(response)["error"] == "invalid_request_object"
