"""What stands at the issuer of `issuer_mode: global`: metadata, keys, and the way out."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from oauth2_rig import BASE, CALLBACK, Rig, answer_of, json_of, location, provider

from ostiary.providers.oauth2.metadata.global_issuer import merged
from ostiary.providers.oauth2.provider.fields import RedirectURI

DISCOVERY = "/.well-known/openid-configuration"
APP = "https://app.example.org"
BYE = (RedirectURI("strict", f"{APP}/bye"),)


def shared(pk: int = 1, **changes: object) -> Any:
    return provider(pk, issuer_mode="global", post_logout_redirect_uris=BYE, **changes)


async def told(rig: Rig, path: str = DISCOVERY) -> dict[str, Any]:
    return json_of(await rig.call("GET", path))


async def keys(rig: Rig) -> list[dict[str, Any]]:
    path = urlsplit((await told(rig))["jwks_uri"]).path
    answer: list[dict[str, Any]] = json_of(await rig.call("GET", path)).get("keys", [])
    return answer


async def test_nothing_stands_there_without_such_a_provider(rig: Rig) -> None:
    for path in (
        DISCOVERY,
        "/.well-known/oauth-authorization-server",
        "/application/o/jwks/",
        "/application/o/end-session/",
    ):
        assert (await rig.call("GET", path)).status == 404, path


async def test_one_provider(rig: Rig) -> None:
    rig.change(shared())
    document = await told(rig)
    own = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
    assert document["issuer"] == own["issuer"] == f"{BASE}/"
    assert await told(rig, "/.well-known/oauth-authorization-server") == document
    elsewhere = {"jwks_uri", "end_session_endpoint", "check_session_iframe"}
    assert {name for name in own if document.get(name) != own[name]} == elsewhere
    assert not set(document) - set(own)
    assert await keys(rig) == json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]


async def test_a_token_of_that_issuer_is_checked_with_what_stands_there(rig: Rig) -> None:
    rig.change(shared(), shared(2, client_id="other"))
    await rig.browser.sign_in()
    token = (await rig.browser.tokens())["id_token"]
    claims = jwt.decode(token, KeySet.import_key_set({"keys": await keys(rig)})).claims
    assert claims["iss"] == (await told(rig))["issuer"]


async def test_where_providers_differ(rig: Rig) -> None:
    rig.change(
        shared(grant_types=("authorization_code",), require_pushed_authorization_requests=True),
        shared(
            2, client_id="other", grant_types=("client_credentials",), signing_key=None, logout_method="frontchannel"
        ),
    )
    document = await told(rig)
    assert document["grant_types_supported"] == ["authorization_code", "client_credentials"]
    assert set(document["id_token_signing_alg_values_supported"]) >= {"HS256"}
    assert len(document["id_token_signing_alg_values_supported"]) == 2
    assert document["frontchannel_logout_supported"] is True
    assert document["require_pushed_authorization_requests"] is False, "one of them does not demand it"
    assert len(await keys(rig)) == 1
    rig.change(shared(2, client_id="other", require_pushed_authorization_requests=True))
    assert (await told(rig))["require_pushed_authorization_requests"] is True
    rig.change(provider(2, client_id="other"))
    assert (await told(rig))["grant_types_supported"] == ["authorization_code"]


def test_what_documents_say_together() -> None:
    one = {"issuer": "i", "x": ["a", "b"], "require_y": True, "z_supported": False}
    two = {"issuer": "i", "x": ["b", "c"], "require_y": False, "z_supported": True, "only": ["o"]}
    assert merged([one, two]) == {
        "issuer": "i",
        "x": ["a", "b", "c"],
        "require_y": False,
        "z_supported": True,
        "only": ["o"],
    }
    assert merged([one]) == one


async def test_pages_of_the_clients_own_origins_may_read_it(rig: Rig) -> None:
    rig.change(shared())
    origin = f"{urlsplit(CALLBACK).scheme}://{urlsplit(CALLBACK).netloc}"
    answer = await rig.call("GET", DISCOVERY, headers={"origin": origin})
    assert answer.header("access-control-allow-origin") == origin
    answer = await rig.call("GET", DISCOVERY, headers={"origin": "https://evil.example"})
    assert answer.header("access-control-allow-origin") is None


async def left(rig: Rig, query: str) -> str:
    path = urlsplit((await told(rig))["end_session_endpoint"]).path
    return urlsplit(location(await rig.browser.get(f"{path}?{query}"))).path.removeprefix("/if/flow/").strip("/")


async def test_the_hint_or_the_client_id_say_who_asks_for_the_sign_out(both: Rig) -> None:
    both.change(shared(), shared(2, client_id="other"))
    await both.browser.sign_in()
    token = (await both.browser.tokens())["id_token"]
    slug = await left(both, f"client_id=wiki&post_logout_redirect_uri={APP}/bye&state=s")
    assert (await both.browser.look(slug)).fields["confirm"] is True
    await both.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": "false"})
    assert await both.browser.finish_flow(slug) == f"{APP}/bye?state=s"
    slug = await left(both, f"id_token_hint={token}&post_logout_redirect_uri={APP}/bye")
    assert await both.browser.finish_flow(slug) == f"{APP}/bye"
    assert answer_of(await both.browser.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.parametrize(
    "query",
    ["", "client_id=nobody", "id_token_hint=x", "id_token_hint=a.b.c", "id_token_hint=a.WzFd.c", "client_id=alone"],
)
async def test_without_a_client_the_person_is_asked_and_goes_nowhere(rig: Rig, query: str) -> None:
    brand = rig.brand
    rig.change(shared(), provider(2, client_id="alone"), dataclasses.replace(brand, flow_invalidation="leave"))
    await rig.browser.sign_in()
    slug = await left(rig, f"{query}&post_logout_redirect_uri={APP}/bye")
    shown = await rig.browser.look(slug)
    assert (shown.component, shown.fields["confirm"]) == ("ak-stage-session-end", True)
    assert "address" in shown.fields["notices"]
    await rig.browser.answer(slug, {"component": "ak-stage-session-end", "sign_out": "true"})
    assert await rig.browser.finish_flow(slug) == "/"
    assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"
