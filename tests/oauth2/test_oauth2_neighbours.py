"""What stands beside OpenID Connect: GitHub's addresses, WebFinger, session management."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECRET,
    START,
    Rig,
    answer_of,
    basic_header,
    json_of,
    location,
    provider,
)

from ostiary.brands.resources import Brand
from ostiary.providers.oauth2.logout.session_management import COOKIE, BrowserState, browser_state, session_state
from ostiary.providers.oauth2.protected.github import _number, slug
from ostiary.sessions.cookie import CookieSettings
from ostiary.store.database import Statement
from ostiary.web.request import Request
from ostiary.web.response import Response

GROUP = "11111111-2222-3333-4444-555555555555"
APP = "https://app.example.org"


async def github(rig: Rig, **changes: str) -> dict[str, Any]:
    """Sign in as an application does that knows GitHub only."""
    wanted = {"client_id": "wiki", "redirect_uri": CALLBACK, "scope": "user:email read:org", "state": "s", **changes}
    first = await rig.browser.get("/login/oauth/authorize?" + urlencode(wanted))
    code = answer_of(await rig.browser.get(location(first)))["code"]
    form = {"code": code, "redirect_uri": CALLBACK, "grant_type": "authorization_code"}
    headers = {"authorization": basic_header("wiki", SECRET)}
    return json_of(await rig.call("POST", "/login/oauth/access_token", form=form, headers=headers))


async def get(rig: Rig, path: str, token: str, word: str = "Bearer") -> Response:
    return await rig.call("GET", path, headers={"authorization": f"{word} {token}"})


class TestGitHub:
    async def test_the_person(self, both: Rig) -> None:
        await both.browser.sign_in()
        answer = await github(both)
        assert (answer["token_type"], answer["scope"]) == ("Bearer", "user:email read:org")
        for word in ("Bearer", "token", "Token"):
            person = json_of(await get(both, "/user", answer["access_token"], word))
        assert (person["login"], person["id"], person["name"]) == ("ada", 7, "Ada")
        assert (person["email"], person["type"], person["avatar_url"]) == ("ada@example.org", "User", "")
        assert person["created_at"] == "2023-11-14T22:13:20+00:00"
        assert START // 1_000_000 == 1_700_000_000

    async def test_the_teams_are_the_direct_groups(self, both: Rig) -> None:
        await both.run(
            Statement(
                "INSERT INTO directory_group (pk, name, is_superuser, attributes) VALUES (?, 'Door & Keepers', 0, '{}')",
                (GROUP,),
            ),
            Statement("INSERT INTO directory_user_group (user_pk, group_pk) VALUES (7, ?)", (GROUP,)),
        )
        await both.browser.sign_in()
        token = (await github(both))["access_token"]
        (team,) = cast("list[dict[str, Any]]", json_of(await get(both, "/user/teams", token)))
        assert (team["name"], team["slug"], team["id"]) == ("Door & Keepers", "door-keepers", _number(GROUP))
        assert team["organization"]["login"] == "ostiary"
        assert _number(GROUP) == 22685

    async def test_each_wants_its_scope(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await github(rig, scope="user"))["access_token"]
        for path in ("/user", "/user/teams"):
            response = await get(rig, path, token)
            assert response.status == 403
            assert 'error="insufficient_scope"' in (response.header("www-authenticate") or "")

    async def test_without_a_token_or_with_a_wrong_one(self, rig: Rig) -> None:
        for path in ("/user", "/user/teams"):
            assert (await rig.call("GET", path)).status == 401
            assert (await get(rig, path, "x.y.z")).status == 401

    async def test_signed_out_is_signed_out(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await github(rig))["access_token"]
        await rig.browser.sign_out()
        assert (await get(rig, "/user", token)).status == 401

    async def test_a_disabled_person(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await github(rig))["access_token"]
        await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7"))
        assert (await get(rig, "/user", token)).status == 401

    async def test_a16_a_token_for_another_resource(self, rig: Rig) -> None:
        rig.change(provider(1, resources=("https://api.example.org/",)))
        await rig.browser.sign_in()
        token = (await github(rig, resource="https://api.example.org/"))["access_token"]
        assert (await get(rig, "/user", token)).status == 401
        assert (await get(rig, "/user/teams", token)).status == 401

    async def test_its_scopes_are_known_at_its_address_only(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens(scope="openid user:email")
        assert tokens["scope"] == "openid"

    async def test_its_address_begins_nothing_without_parameters(self, rig: Rig) -> None:
        assert (await rig.call("GET", "/login/oauth/authorize")).status == 400

    async def test_redirects_follow_the_same_rules(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        query = urlencode({"client_id": "wiki", "redirect_uri": "https://evil.example/"})
        first = await rig.browser.get(f"/login/oauth/authorize?{query}")
        assert (await rig.browser.get(location(first))).status == 400

    def test_slugs(self) -> None:
        assert [slug(text) for text in ("A b", "-x-", "a__b", "ä!")] == ["a-b", "x", "a__b", ""]


class TestWebFinger:
    PATH = "/.well-known/webfinger?resource=acct%3Aada%40example.org"

    async def test_the_default_application(self, rig: Rig) -> None:
        assert json_of(await rig.call("GET", self.PATH)) == {}
        (brand,) = rig.plane.snapshot.all(Brand)
        rig.change(replace(brand, default_application="app"))
        rig.database.trips = 0
        response = await rig.call("GET", self.PATH)
        assert rig.database.trips == 0
        assert response.header("content-type") == "application/jrd+json"
        assert response.header("access-control-allow-origin") == "*"
        assert json_of(response) == {
            "subject": "acct:ada@example.org",
            "links": [
                {"rel": "http://openid.net/specs/connect/1.0/issuer", "href": f"{BASE}/application/o/wiki/"},
            ],
        }
        rig.change(provider(1, issuer_mode="global"))
        assert json_of(await rig.call("GET", self.PATH))["links"][0]["href"] == f"{BASE}/"

    async def test_nothing_applies(self, rig: Rig) -> None:
        (brand,) = rig.plane.snapshot.all(Brand)
        rig.change(replace(brand, default_application="app"))
        assert json_of(await rig.call("GET", "/.well-known/webfinger")) == {}
        assert (await rig.call("GET", "/.well-known/webfinger?resource=a&resource=b")).status == 400
        rig.drop("authentik_providers_oauth2.oauth2provider", 1)
        assert json_of(await rig.call("GET", self.PATH)) == {}


class TestSessionManagement:
    async def test_the_answer_has_the_state_of_the_session(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        state = answer_of(await rig.browser.authorize())["session_state"]
        digest, _, salt = state.partition(".")
        session = await rig.sessions.read(Request(headers={"cookie": rig.browser.cookie}), rig.now)
        assert session is not None
        text = f"wiki {APP} {browser_state(session.key)} {salt}"
        assert digest == hashlib.sha256(text.encode()).hexdigest()
        assert session_state("wiki", CALLBACK, session.key, salt=salt) == state
        assert answer_of(await rig.browser.authorize())["session_state"] != state, "each has its salt"
        assert session_state("wiki", "com.example.app:/cb", session.key) is None
        assert session.key.hex() not in browser_state(session.key)

    async def test_the_page_may_be_framed_by_the_client_alone(self, rig: Rig) -> None:
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        path = document["check_session_iframe"].removeprefix(BASE)
        response = await rig.call("GET", path)
        policy = response.header("content-security-policy") or ""
        assert policy.endswith(f"; frame-ancestors {APP}")
        assert "script-src 'sha256-" in policy
        assert "unsafe" not in policy
        rig.change(provider(1, redirect_uris=()))
        response = await rig.call("GET", path)
        assert (response.header("content-security-policy") or "").endswith("frame-ancestors 'none'")
        assert (await rig.call("GET", "/application/o/nobody/check-session/")).status == 404

    @pytest.mark.parametrize(("scheme", "same_site"), [("https", "None"), ("http", "Lax")])
    async def test_the_cookie_follows_the_session(self, rig: Rig, scheme: str, same_site: str) -> None:
        keeper = BrowserState(rig.sessions, CookieSettings())
        await rig.browser.sign_in()

        async def after(cookie: str, *, read: bool = True) -> str:
            request = Request(headers={"cookie": cookie}, scheme=scheme)
            session = await rig.sessions.read(request, rig.now) if read else None
            response = Response(200)
            keeper.finish(request, response)
            assert read or session is None
            return response.header("set-cookie") or ""

        given = await after(rig.browser.cookie)
        assert given.startswith(f"{COOKIE}=")
        assert f"SameSite={same_site}" in given
        assert ("Secure" in given) is (scheme == "https")
        assert "HttpOnly" not in given
        own = given.partition(";")[0]
        assert await after(f"{rig.browser.cookie}; {own}") == "", "nothing to change"
        assert await after(f"{COOKIE}=other", read=False) == "", "a request that asked nobody changes nothing"
        await rig.browser.sign_out()
        assert "Max-Age=0" in await after(f"{rig.browser.cookie}; {own}")
