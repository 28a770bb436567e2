"""What programs ask with a token or before one: userinfo, introspection, revocation, discovery, keys, sign-out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from oauth2_rig import BASE, SECOND, SECRET, START, Rig, basic_header, json_of, location, pair, provider

from ostiary.providers.oauth2.provider.definition import OAuth2Provider
from ostiary.providers.oauth2.provider.fields import RedirectURI
from ostiary.resource import InvalidResource
from ostiary.store.database import Statement
from ostiary.web.response import Response

USERINFO = "/application/o/userinfo/"
APP = "https://app.example.org"


async def ask(rig: Rig, token: str, **changes: str) -> Response:
    return await rig.call("GET", USERINFO, headers={"authorization": f"Bearer {token}", **changes})


async def call(rig: Rig, what: str, basic: tuple[str, str] | None = ("wiki", SECRET), **form: str) -> Response:
    headers = {} if basic is None else {"authorization": basic_header(*basic)}
    return await rig.call("POST", f"/application/o/{what}/", form=form, headers=headers)


class TestUserinfo:
    async def test_claims_of_the_scopes(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        both.database.trips = 0
        claims = json_of(await ask(both, tokens["access_token"]))
        assert both.database.trips == 2
        assert claims.pop("sub")
        assert claims.pop("nonce") == "no"
        assert claims == {
            "email": "ada@example.org", "email_verified": False, "name": "Ada", "given_name": "Ada",
            "preferred_username": "ada", "nickname": "ada", "groups": [],
        }  # fmt: skip

    async def test_by_form(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        assert (await rig.call("POST", USERINFO, form={"access_token": token})).status == 200
        assert (await rig.call("POST", USERINFO, headers={"authorization": f"Bearer {token}"})).status == 200
        assert (await rig.call("GET", f"{USERINFO}?access_token={token}")).status == 401

    async def test_errors_speak_rfc_6750(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        nothing = await rig.call("GET", USERINFO)
        assert (nothing.status, nothing.header("www-authenticate")) == (401, 'Bearer realm="ostiary"')
        for token in ("x.y.z", tokens["refresh_token"], tokens["id_token"], tokens["access_token"][:-2] + "xx"):
            answer = await ask(rig, token)
            assert answer.status == 401
            assert (answer.header("www-authenticate") or "").startswith('Bearer realm="ostiary", error="invalid_token"')
        narrow = await rig.browser.tokens(scope="email")
        answer = await ask(rig, narrow["access_token"])
        assert answer.status == 403
        assert 'error="insufficient_scope"' in (answer.header("www-authenticate") or "")
        twice = await rig.call("POST", USERINFO, form={"access_token": "a"}, headers={"authorization": "Bearer b"})
        assert twice.status == 400

    async def test_it_ends(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        rig.now += 3600 * SECOND
        assert (await ask(rig, token)).status == 401

    async def test_a58_disabled_people(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7"))
        assert (await ask(rig, token)).status == 401

    async def test_a16_a_provider_that_is_gone(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        rig.drop("authentik_providers_oauth2.oauth2provider", 1)
        assert (await ask(rig, token)).status == 401


class TestIntrospection:
    async def test_an_access_token(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        both.database.trips = 0
        answer = json_of(await call(both, "introspect", token=tokens["access_token"]))
        assert both.database.trips == 1
        assert answer["active"] is True
        assert answer["client_id"] == answer["aud"] == "wiki"
        assert answer["scope"] == tokens["scope"]
        assert answer["iss"] == f"{BASE}/application/o/wiki/"
        assert answer["exp"] == START // SECOND + 3600

    async def test_a_refresh_token(self, both: Rig) -> None:
        await both.browser.sign_in()
        token = (await both.browser.tokens())["refresh_token"]
        both.database.trips = 0
        answer = json_of(await call(both, "introspect", token=token))
        assert both.database.trips == 2, "the token, and the person whose claims it stands for"
        assert (answer["active"], answer["client_id"], answer["aud"]) == (True, "wiki", "wiki")
        assert answer["iss"] == f"{BASE}/application/o/wiki/"
        assert (answer["email"], answer["preferred_username"], answer["nonce"]) == ("ada@example.org", "ada", "no")
        assert (answer["amr"], len(answer["sid"]), len(answer["jti"])) == (["pwd"], 64, 40)
        assert (answer["iat"], answer["exp"]) == (START // SECOND, START // SECOND + 30 * 86_400)
        both.change(provider(1, include_claims_in_id_token=False))
        assert "email" not in json_of(await call(both, "introspect", token=token))
        await both.token(grant_type="refresh_token", refresh_token=token)
        assert json_of(await call(both, "introspect", token=token)) == {"active": False}

    async def test_a16_tokens_of_others_and_nobodys(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        for token in (tokens["access_token"], tokens["refresh_token"], "a.b.c", "x"):
            assert json_of(await call(rig, "introspect", ("other", SECRET), token=token)) == {"active": False}

    async def test_the_secret_is_always_wanted(self, rig: Rig) -> None:
        rig.change(provider(1, client_type="public"))
        assert (await call(rig, "introspect", None, client_id="wiki", token="x")).status == 401
        assert (await call(rig, "introspect", token="x")).status == 200
        assert (await call(rig, "introspect")).status == 400

    async def test_it_sees_sign_out_at_once(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        await rig.browser.sign_out()
        assert json_of(await call(rig, "introspect", token=token)) == {"active": False}


class TestRevocation:
    async def test_an_access_token(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        answer = await call(both, "revoke", token=tokens["access_token"], token_type_hint="access_token")
        assert (answer.status, json_of(answer)) == (200, {})
        assert (await ask(both, tokens["access_token"])).status == 401
        assert (await both.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])).status == 200

    async def test_a_refresh_token_takes_its_family(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        assert (await call(both, "revoke", token=tokens["refresh_token"], token_type_hint="access_token")).status == 200
        assert (await ask(both, tokens["access_token"])).status == 401
        assert (await both.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])).status == 400

    async def test_a16_others_change_nothing(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        for token in (tokens["access_token"], tokens["refresh_token"], "nothing"):
            assert (await call(rig, "revoke", ("other", SECRET), token=token)).status == 200
        assert (await ask(rig, tokens["access_token"])).status == 200
        assert (await rig.token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])).status == 200

    async def test_who_may(self, rig: Rig) -> None:
        assert (await call(rig, "revoke", ("wiki", "wrong"), token="x")).status == 401
        assert (await call(rig, "revoke", None, client_id="wiki", token="x")).status == 401
        rig.change(provider(1, client_type="public"))
        assert (await call(rig, "revoke", None, client_id="wiki", token="x")).status == 200
        assert (await call(rig, "revoke", None, client_id="wiki")).status == 400


class TestDiscovery:
    async def test_no_round_trip_and_only_the_truth(self, rig: Rig) -> None:
        rig.database.trips = 0
        one = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        two = json_of(await rig.call("GET", "/.well-known/oauth-authorization-server/application/o/wiki/"))
        keys = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))
        assert rig.database.trips == 0
        assert one == two
        assert one["issuer"] == f"{BASE}/application/o/wiki/"
        assert one["authorization_endpoint"] == f"{BASE}/application/o/authorize/"
        assert one["jwks_uri"] == f"{BASE}/application/o/wiki/jwks/"
        assert one["response_types_supported"] == ["code"]
        assert one["code_challenge_methods_supported"] == ["plain", "S256"]
        assert one["authorization_response_iss_parameter_supported"] is True
        assert sorted(one["scopes_supported"]) == sorted(
            ["openid", "email", "profile", "entitlements", "offline_access"]
        )
        assert "device_authorization_endpoint" not in one, "the brand has no flow for it"
        (key,) = keys["keys"]
        assert {"alg", "kid", "kty", "use", "x", "y", "crv", "x5c", "x5t", "x5t#S256"} <= key.keys()
        assert "d" not in key

    async def test_every_address_that_is_told_is_served(self, rig: Rig) -> None:
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        for name, url in document.items():
            if name.endswith("_endpoint") or name == "jwks_uri":
                statuses = {(await rig.call(method, url.removeprefix(BASE))).status for method in ("GET", "POST")}
                assert statuses - {404, 405}, name

    async def test_keys(self, rig: Rig) -> None:
        rig.change(pair("rsa"), provider(1, signing_key="key-rsa"))
        (key,) = json_of(await rig.call("GET", "/application/o/wiki/jwks/"))["keys"]
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
        rig.change(provider(1, signing_key=None))
        response = await rig.call("GET", "/application/o/wiki/jwks/")
        assert json_of(response) == {}
        assert response.header("access-control-allow-origin") == "*"

    async def test_root_and_unknown(self, rig: Rig) -> None:
        assert (
            location(await rig.call("GET", "/application/o/wiki/"))
            == "/application/o/wiki/.well-known/openid-configuration"
        )
        for path in (
            "/application/o/x/",
            "/application/o/x/jwks/",
            "/application/o/x/.well-known/openid-configuration",
        ):
            assert (await rig.call("GET", path)).status == 404

    async def test_a_key_without_private_half_serves_nothing(self, rig: Rig) -> None:
        from dataclasses import replace

        from ostiary.seal import Secret

        rig.change(replace(pair("ec"), key_data=Secret("")))
        assert (await rig.call("GET", "/application/o/wiki/jwks/")).status == 404


class TestCors:
    async def test_a_page_of_the_client(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        token = (await rig.browser.tokens())["access_token"]
        for origin, allowed in ((APP, True), ("https://evil.example", False), ("null", False)):
            for response in (
                await ask(rig, token, origin=origin),
                await rig.call(
                    "GET", "/application/o/wiki/.well-known/openid-configuration", headers={"origin": origin}
                ),
                await rig.call(
                    "POST",
                    "/application/o/token/",
                    form={"grant_type": "x"},
                    headers={"origin": origin, "authorization": basic_header("wiki", SECRET)},
                ),
                *[
                    await rig.call(
                        "POST",
                        f"/application/o/{place}/",
                        form=form,
                        headers={"origin": origin, "authorization": basic_header("wiki", SECRET)},
                    )
                    for place in ("introspect", "revoke")
                    for form in ({"token": "x"}, {})
                ],
            ):
                assert (response.header("access-control-allow-origin") == origin) == allowed
                assert response.header("vary") == "Origin"

    async def test_preflight(self, rig: Rig) -> None:
        headers = {"origin": "https://any.example", "access-control-request-headers": "authorization, x-y"}
        for path in (
            "token",
            "userinfo",
            "introspect",
            "revoke",
            "par",
            "device",
            "wiki/.well-known/openid-configuration",
        ):
            response = await rig.call(
                "OPTIONS", f"/application/o/{path}/".replace("configuration/", "configuration"), headers=headers
            )
            assert response.status == 204
            assert response.header("access-control-allow-origin") == "https://any.example"
            assert response.header("access-control-allow-headers") == "authorization, x-y"
            assert response.header("access-control-allow-methods") == "GET, POST, OPTIONS"


class TestDefinition:
    def make(self, **values: object) -> OAuth2Provider:
        kind = OAuth2Provider.KIND
        fields: Mapping[str, object] = {
            "name": "p",
            "authorization_flow": "f",
            "invalidation_flow": "f",
            "redirect_uris": [],
            **values,
        }
        made: OAuth2Provider = kind.make(1, kind.parse(fields))
        return made

    def test_credentials_are_made(self) -> None:
        one, two = self.make(), self.make()
        assert len(one.client_id) == 40
        assert len(one.client_secret.reveal()) == 128
        assert one.client_id.isalnum()
        assert one.client_id != two.client_id

    def test_redirect_uris_are_records(self) -> None:
        made = self.make(redirect_uris=[{"matching_mode": "strict", "url": "https://a/b"}])
        assert made.redirect_uris == (RedirectURI("strict", "https://a/b"),)

    @pytest.mark.parametrize(
        "values",
        [
            {"redirect_uris": [{"matching_mode": "regex", "url": "("}]},
            {"redirect_uris": [{"matching_mode": "strict", "url": "javascript:x"}]},
            {"redirect_uris": [{"matching_mode": "glob", "url": "x"}]},
            {"redirect_uris": [{"url": "x"}]},
            {"access_token_validity": "soon"},
            {"sub_mode": "x"},
            {"client_id": "é"},
            {"client_secret": ""},
        ],
    )
    def test_refused(self, values: dict[str, object]) -> None:
        with pytest.raises(InvalidResource):
            self.make(**values)
