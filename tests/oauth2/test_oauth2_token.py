"""The token endpoint: codes and refresh tokens, honest and under attack."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from oauth2_rig import (
    BASE,
    CALLBACK,
    SECOND,
    SECRET,
    START,
    VERIFIER,
    Browser,
    Rig,
    basic_header,
    json_of,
    pair,
    provider,
    verified,
)

from ostiary.directory.user import uid_of
from ostiary.grants.cascades import on_user_disabled
from ostiary.grants.refresh_tokens import successor
from ostiary.mappings.scope_mapping import ScopeMapping
from ostiary.policies.resources import PolicyBinding
from ostiary.providers.oauth2.options import Options
from ostiary.store.database import Statement
from ostiary.web.response import Response

REFUSED = "The grant is invalid, expired, revoked or was issued to another client."


async def exchange(rig: Rig, code: str, **changes: Any) -> Response:
    basic = changes.pop("basic", ("wiki", SECRET))
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    return await rig.token(basic, **{name: value for name, value in form.items() if value})


async def refresh(rig: Rig, token: str, **changes: Any) -> Response:
    return await rig.token(
        changes.pop("basic", ("wiki", SECRET)), grant_type="refresh_token", refresh_token=token, **changes
    )


def refused(response: Response, error: str = "invalid_grant") -> bool:
    body = json_of(response)
    return response.status in {400, 401} and body["error"] == error


class TestAnswer:
    @pytest.mark.parametrize(("key", "algorithm"), [("rsa", "RS256"), ("ec", "ES256"), (None, "HS256")])
    async def test_tokens_verify(self, rig: Rig, key: str | None, algorithm: str) -> None:
        if key is not None:
            rig.change(pair(key))
        rig.change(provider(1, signing_key=None if key is None else f"key-{key}"))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        assert tokens["token_type"] == "Bearer"
        assert tokens["expires_in"] == 3600
        identity, access = await verified(rig, tokens["id_token"]), await verified(rig, tokens["access_token"])
        document = json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))
        assert document["id_token_signing_alg_values_supported"] == [algorithm]
        assert identity["iss"] == access["iss"] == document["issuer"] == f"{BASE}/application/o/wiki/"
        assert identity["aud"] == "wiki"
        assert identity["sub"] == uid_of(7, rig.services.users.install_id)
        assert identity["nonce"] == "no"
        assert identity["auth_time"] == identity["iat"] == START // SECOND
        assert identity["exp"] == identity["iat"] + 3600
        assert identity["acr"] in document["acr_values_supported"]
        assert identity["amr"] == ["pwd"]
        assert len(identity["sid"]) == 64
        assert identity["email"] == "ada@example.org"
        assert identity["preferred_username"] == "ada"
        assert access["azp"] == "wiki"
        assert access["scope"] == tokens["scope"] == "openid email profile offline_access"
        assert identity.keys() <= {*document["claims_supported"], "jti", "sid", "at_hash", "exp", "nonce"}

    async def test_at_hash(self, rig: Rig) -> None:
        import base64
        import hashlib

        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        digest = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
        expected = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        assert (await verified(rig, tokens["id_token"]))["at_hash"] == expected

    async def test_headers_forbid_keeping(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        response = await exchange(rig, await rig.browser.code())
        assert response.header("cache-control") == "no-store"
        assert response.header("pragma") == "no-cache"

    async def test_a_refresh_token_only_for_offline_access(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert "refresh_token" not in await rig.browser.tokens(scope="openid")
        assert len((await rig.browser.tokens())["refresh_token"]) == 128

    async def test_the_id_token_without_claims(self, rig: Rig) -> None:
        rig.change(provider(1, include_claims_in_id_token=False))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        identity = await verified(rig, tokens["id_token"])
        assert "email" not in identity
        assert identity["sub"]
        assert identity["nonce"] == "no"
        access = await verified(rig, tokens["access_token"])
        assert not {"email", "name", "groups"} & access.keys(), "userinfo alone tells them"
        assert access["scope"] == tokens["scope"]
        assert (await userinfo_of(rig, tokens["access_token"]))["email"] == "ada@example.org"

    @pytest.mark.parametrize(
        ("mode", "sub"),
        [
            ("user_id", "7"),
            ("user_uuid", "uuid-7"),
            ("user_username", "ada"),
            ("user_email", "ada@example.org"),
            ("user_upn", "ada@upn"),
        ],
    )
    async def test_subjects(self, rig: Rig, mode: str, sub: str) -> None:
        rig.change(provider(1, sub_mode=mode))
        await rig.browser.sign_in()
        assert (await verified(rig, (await rig.browser.tokens())["id_token"]))["sub"] == sub

    async def test_lifetimes(self, rig: Rig) -> None:
        rig.change(provider(1, access_token_validity="minutes=5", access_code_validity="seconds=10"))
        await rig.browser.sign_in()
        assert (await rig.browser.tokens())["expires_in"] == 300
        code = await rig.browser.code()
        rig.now += 10 * SECOND
        assert refused(await exchange(rig, code))

    async def test_a_mapping_that_fails_is_left_out_and_told(self, rig: Rig) -> None:
        source = "return {'own': request.user.badge}"
        own = ScopeMapping(pk="own", name="own", scope_name="own", expression=source)
        rig.change(own, provider(1, property_mappings=("own",)))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens(scope="openid own")
        assert "own" not in await verified(rig, tokens["id_token"])
        (event,) = await rig.events("property_mapping_exception")
        assert "has no attribute 'badge'" in str(event["context"])

    async def test_a_mapping_of_ones_own_is_told_everywhere(self, rig: Rig) -> None:
        source = "claims = {'where': http_request.path}\nclaims['app'] = provider.application.slug\nreturn claims"
        own = ScopeMapping(pk="own", name="own", scope_name="own", expression=source)
        rig.change(own, provider(1, property_mappings=("own",)))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens(scope="openid own")
        assert (await verified(rig, tokens["id_token"]))["where"] == "/application/o/token/"
        told = await userinfo_of(rig, tokens["access_token"])
        assert (told["where"], told["app"]) == ("/application/o/userinfo/", "wiki")


class TestClient:
    async def test_three_ways(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert (await exchange(rig, await rig.browser.code())).status == 200
        assert (
            await exchange(rig, await rig.browser.code(), basic=None, client_id="wiki", client_secret=SECRET)
        ).status == 200
        rig.change(provider(1, client_type="public"))
        assert (await exchange(rig, await rig.browser.code(), basic=None, client_id="wiki")).status == 200

    @pytest.mark.parametrize(
        ("basic", "form"),
        [
            (("wiki", "wrong"), {}),
            (("wiki", ""), {}),
            (("nobody", SECRET), {}),
            (("other", "x"), {}),
            (None, {"client_id": "wiki"}),
            (None, {"client_id": "wiki", "client_secret": "wrong"}),
            (None, {}),
        ],
    )
    async def test_refused_alike(self, rig: Rig, basic: tuple[str, str] | None, form: dict[str, str]) -> None:
        await rig.browser.sign_in()
        code = await rig.browser.code()
        response = await exchange(rig, code, basic=basic, **form)
        assert response.status == 401
        assert json_of(response)["error_description"] == "Client authentication failed."
        assert (response.header("www-authenticate") is not None) == (basic is not None)
        assert (await exchange(rig, code)).status == 200, "the code is not used up by somebody who is not the client"

    async def test_an_empty_secret_is_none(self, rig: Rig) -> None:
        from ostiary.seal import Secret

        rig.change(provider(1, client_secret=Secret("")))
        for basic in (("wiki", ""), None):
            assert (
                await rig.token(basic, grant_type="refresh_token", refresh_token="x", client_id="wiki")
            ).status == 401

    async def test_two_ways_at_once(self, rig: Rig) -> None:
        assert refused(await rig.token(grant_type="x", client_secret=SECRET), "invalid_request")


class TestRequest:
    async def test_a12_unknown_grants(self, rig: Rig) -> None:
        for grant in ("implicit", "urn:ietf:params:oauth:grant-type:token-exchange", "x" * 500):
            assert refused(await rig.token(grant_type=grant), "unsupported_grant_type")
        for grant in ("authorization_code", "refresh_token", "client_credentials", "password"):
            rig.change(provider(1, grant_types=("urn:ietf:params:oauth:grant-type:device_code",)))
            assert refused(await rig.token(grant_type=grant), "unauthorized_client")

    async def test_missing_parameters(self, rig: Rig) -> None:
        forms: list[dict[str, Any]] = [{}, {"grant_type": "authorization_code"}, {"grant_type": "refresh_token"}]
        for form in forms:
            assert refused(await rig.token(**form), "invalid_request")

    async def test_a07_repeated_parameters(self, rig: Rig) -> None:
        headers = {"authorization": basic_header("wiki", SECRET)}
        form = [("grant_type", "authorization_code"), ("code", "a"), ("code", "b")]
        assert refused(await rig.call("POST", "/application/o/token/", form=form, headers=headers), "invalid_request")

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/json", b"{}"),
            ("application/x-www-form-urlencoded", b"\xff"),
            ("application/x-www-form-urlencoded", b"a=%ff"),
            ("", b""),
        ],
    )
    async def test_malformed_bodies(self, rig: Rig, content_type: str, body: bytes) -> None:
        response = await rig.call("POST", "/application/o/token/", body=body, headers={"content-type": content_type})
        assert refused(response, "invalid_request")
        assert json_of(response)["request_id"]

    async def test_get_is_not_allowed(self, rig: Rig) -> None:
        assert (await rig.call("GET", "/application/o/token/")).status == 405


class TestCode:
    async def test_a09_a_second_use_ends_what_came_of_the_first(self, both: Rig) -> None:
        await both.browser.sign_in()
        code = await both.browser.code()
        tokens = json_of(await exchange(both, code))
        assert refused(await exchange(both, code))
        assert len(await both.events("suspicious_request")) == 1
        assert (await userinfo(both, tokens["access_token"])).status == 401
        assert refused(await refresh(both, tokens["refresh_token"]))

    async def test_a09_fifty_at_once(self, both: Rig) -> None:
        await both.browser.sign_in()
        code = await both.browser.code()
        answers = await asyncio.gather(*(exchange(both, code) for _ in range(50)))
        assert sum(answer.status == 200 for answer in answers) <= 1
        assert not await both.rows("SELECT 1 FROM access_token"), "a replay leaves nothing alive"
        assert not await both.rows("SELECT 1 FROM grant_family")

    async def test_a09_a_code_of_another_client(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        response = await exchange(rig, await rig.browser.code(), basic=("other", SECRET))
        assert refused(response)
        assert json_of(response)["error_description"] == REFUSED

    @pytest.mark.parametrize("changes", [{"redirect_uri": "https://app.example.org/bye"}, {"redirect_uri": ""}])
    async def test_redirect_uri_is_compared(self, rig: Rig, changes: dict[str, str]) -> None:
        await rig.browser.sign_in()
        response = await exchange(rig, await rig.browser.code(), **changes)
        assert refused(response)
        assert json_of(response)["error_description"] == REFUSED

    async def test_a08_verifiers(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        for verifier in ("", "x" * 43):
            assert refused(await exchange(rig, await rig.browser.code(), code_verifier=verifier))
        plain = await rig.browser.code(code_challenge="", code_challenge_method="")
        assert refused(await exchange(rig, plain)), "a verifier nobody asked for: the challenge was taken out"
        plain = await rig.browser.code(code_challenge="", code_challenge_method="")
        assert (await exchange(rig, plain, code_verifier="")).status == 200

    async def test_a20_a_refresh_token_is_no_code(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        assert refused(await exchange(rig, tokens["refresh_token"]))
        assert refused(await refresh(rig, await rig.browser.code()))

    async def test_a58_disabled_in_between(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        code = await rig.browser.code()
        await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7"))
        assert refused(await exchange(rig, code))

    async def test_policies_once_more(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        code = await rig.browser.code()
        rig.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        assert refused(await exchange(rig, code))

    async def test_signed_out_in_between(self, both: Rig) -> None:
        await both.browser.sign_in()
        code = await both.browser.code()
        await both.browser.sign_out()
        assert refused(await exchange(both, code))

    async def test_three_round_trips(self, both: Rig) -> None:
        await both.browser.sign_in()
        code = await both.browser.code()
        both.database.trips = 0
        assert (await exchange(both, code)).status == 200
        assert both.database.trips == 3


class TestRefresh:
    async def test_rotation(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = await both.browser.tokens()
        both.now += 60 * SECOND
        second = json_of(await refresh(both, first["refresh_token"]))
        assert second["refresh_token"] != first["refresh_token"]
        old, new = await verified(both, first["id_token"]), await verified(both, second["id_token"])
        assert new["iat"] == old["iat"] + 60
        assert {name: old[name] for name in ("iss", "sub", "aud", "auth_time", "sid")} == {
            name: new[name] for name in ("iss", "sub", "aud", "auth_time", "sid")
        }
        assert "nonce" not in new

    async def test_a19_reuse_ends_the_family(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = await both.browser.tokens()
        second = json_of(await refresh(both, first["refresh_token"]))
        both.now += 11 * SECOND
        response = await refresh(both, first["refresh_token"])
        assert refused(response)
        assert json_of(response)["error_description"] == REFUSED
        assert len(await both.events("suspicious_request")) == 1
        assert refused(await refresh(both, second["refresh_token"]))
        assert (await userinfo(both, second["access_token"])).status == 401

    async def test_a_lost_answer(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = await both.browser.tokens()
        await refresh(both, first["refresh_token"])
        both.now += 9 * SECOND
        again = json_of(await refresh(both, first["refresh_token"]))
        both.now += 60 * SECOND
        assert (await refresh(both, again["refresh_token"])).status == 200

    async def test_a19_fifty_at_once_leave_one_line(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = await both.browser.tokens()
        answers = await asyncio.gather(*(refresh(both, first["refresh_token"]) for _ in range(50)))
        assert all(answer.status == 200 for answer in answers), "all of them within the grace"
        (second,) = {json_of(answer)["refresh_token"] for answer in answers}
        assert len({json_of(answer)["access_token"] for answer in answers}) == 50
        both.now += 1
        assert (await refresh(both, second)).status == 200
        assert refused(await refresh(both, first["refresh_token"])), "its successor was used: the family has ended"

    async def test_two_processes_with_one_token(self, both: Rig) -> None:
        """They come within the grace of each other, again and again, and go on (kubectl and k9s)."""
        await both.browser.sign_in()
        token = (await both.browser.tokens())["refresh_token"]
        for _ in range(4):
            one = json_of(await refresh(both, token))
            both.now += 9 * SECOND
            other = json_of(await refresh(both, token))
            assert one["refresh_token"] == other["refresh_token"]
            assert (await userinfo(both, one["access_token"])).status == 200
            assert (await userinfo(both, other["access_token"])).status == 200
            token = one["refresh_token"]
            both.now += 600 * SECOND

    async def test_a19_copies_that_are_apart_end(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = (await both.browser.tokens())["refresh_token"]
        second = json_of(await refresh(both, first))["refresh_token"]
        both.now += 11 * SECOND
        assert refused(await refresh(both, first))
        assert refused(await refresh(both, second))

    async def test_a19_a_successor_is_nobodys_to_guess(self, both: Rig) -> None:
        """It follows from the token and a key of the installation, and neither is in the database."""
        await both.browser.sign_in()
        first = (await both.browser.tokens())["refresh_token"]
        second = json_of(await refresh(both, first))["refresh_token"]
        assert len(second) == len(first) == 128
        assert second != first
        key = both.services.options.refresh_key
        assert second == successor(first, key=key)
        assert second != successor(first, key=bytes(32))
        rows = await both.rows("SELECT * FROM refresh_token")
        assert second not in str([tuple(row) for row in rows])

    async def test_a_key_that_changed_makes_siblings(self, both: Rig) -> None:
        await both.browser.sign_in()
        first = (await both.browser.tokens())["refresh_token"]
        one = json_of(await refresh(both, first))["refresh_token"]
        object.__setattr__(both.services, "options", Options())
        other = json_of(await refresh(both, first))["refresh_token"]
        assert one != other
        assert (await refresh(both, one)).status == 200
        assert refused(await refresh(both, other)), "of siblings the first that is used lives on"

    async def test_scopes_that_were_dropped_are_dropped_again(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        asked = "openid groups offline_access nobody.knows"
        tokens = await rig.browser.tokens(scope=asked)
        assert tokens["scope"] == "openid offline_access"
        again = json_of(await refresh(rig, tokens["refresh_token"], scope=asked))
        assert again["scope"] == tokens["scope"]
        assert refused(await refresh(rig, again["refresh_token"], scope="nobody.knows"), "invalid_scope")

    async def test_a11_scope_narrows_only(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        small = await rig.browser.tokens(scope="openid offline_access")
        assert refused(await refresh(rig, small["refresh_token"], scope="openid email"), "invalid_scope")
        narrow = json_of(await refresh(rig, tokens["refresh_token"], scope="openid"))
        assert narrow["scope"] == "openid"
        assert (await userinfo_of(rig, narrow["access_token"])).keys() == {"sub"}
        wide = json_of(await refresh(rig, narrow["refresh_token"]))
        assert "email" in wide["scope"]

    async def test_a16_another_client(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        assert refused(await refresh(rig, tokens["refresh_token"], basic=("other", SECRET)))
        assert (await refresh(rig, tokens["refresh_token"])).status == 200

    async def test_a19_person_and_policies_are_asked_again(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        rig.change(PolicyBinding(pk="b", target="app", user=8, order=0))
        assert refused(await refresh(rig, tokens["refresh_token"]))
        rig.drop("authentik_policies.policybinding", "b")
        await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7"))
        assert refused(await refresh(rig, tokens["refresh_token"]))
        await rig.run(Statement("UPDATE directory_user SET is_active = 1 WHERE pk = 7"), *on_user_disabled(7))
        assert refused(await refresh(rig, tokens["refresh_token"]))

    async def test_offline_access_survives_the_session(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        await both.browser.sign_out()
        assert (await userinfo(both, tokens["access_token"])).status == 401
        fresh = json_of(await refresh(both, tokens["refresh_token"]))
        assert (await userinfo(both, fresh["access_token"])).status == 200

    async def test_signing_in_again_keeps_the_tokens(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        await rig.browser.sign_in()
        assert (await userinfo(rig, tokens["access_token"])).status == 200
        await rig.browser.sign_out()
        assert (await userinfo(rig, tokens["access_token"])).status == 401

    async def test_a41_another_person_ends_them(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        await rig.browser.sign_in(8, "bob")
        assert (await userinfo(rig, tokens["access_token"])).status == 401

    async def test_it_expires(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        rig.now += 30 * 86_400 * SECOND
        assert refused(await refresh(rig, tokens["refresh_token"]))

    async def test_with_a_threshold_it_is_replaced_near_its_end(self, rig: Rig) -> None:
        rig.change(provider(1, refresh_token_threshold="days=1"))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        for _ in range(2):
            assert "refresh_token" not in json_of(await refresh(rig, tokens["refresh_token"]))
        rig.now += 29 * 86_400 * SECOND
        assert "refresh_token" in json_of(await refresh(rig, tokens["refresh_token"]))

    async def test_public_clients_always_rotate(self, rig: Rig) -> None:
        rig.change(provider(1, refresh_token_threshold="days=1", client_type="public"))
        await rig.browser.sign_in()
        tokens = await rig.browser.tokens()
        assert "refresh_token" in json_of(await refresh(rig, tokens["refresh_token"], basic=None, client_id="wiki"))

    async def test_three_round_trips(self, both: Rig) -> None:
        await both.browser.sign_in()
        tokens = await both.browser.tokens()
        both.database.trips = 0
        assert (await refresh(both, tokens["refresh_token"])).status == 200
        assert both.database.trips == 3


async def userinfo(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})


async def userinfo_of(rig: Rig, token: str) -> dict[str, Any]:
    response = await userinfo(rig, token)
    assert response.status == 200, response.headers
    return dict(json.loads(response.body))


async def test_two_browsers_have_two_sessions(rig: Rig) -> None:
    other = Browser(rig)
    await rig.browser.sign_in()
    await other.sign_in()
    one, two = await rig.browser.tokens(), await other.tokens()
    await other.sign_out()
    assert (await userinfo(rig, one["access_token"])).status == 200
    assert (await userinfo(rig, two["access_token"])).status == 401
