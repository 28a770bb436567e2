"""Discovery tells the truth: each entry is walked against what the endpoints then do."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from joserfc.jwk import ECKey
from oauth2_rig import BASE, SECRET, Rig, answer_of, certificates_in, json_of, provider, verified

from ostiary.proto.oauth2.provider_metadata import DEVICE_CODE
from ostiary.web.response import Response

GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", "implicit", DEVICE_CODE)
TYPES = ("code", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "token")
CLIENTS: dict[str, dict[str, Any]] = {
    "default": {},
    "public": {"client_type": "public"},
    "everything": {"grant_types": GRANTS},
    "code only": {"grant_types": ("authorization_code",)},
    "machine": {"grant_types": ("client_credentials",)},
    "bound": {"grant_types": GRANTS, "dpop": "required"},
}


async def told(rig: Rig) -> dict[str, Any]:
    return json_of(await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration"))


def error(response: Response) -> str:
    """Return the error of an answer of the authorization endpoint, wherever it stands; "" for none."""
    if response.status == 400:
        return "page"
    for part in ("query", "fragment"):
        found = answer_of(response, part).get("error")
        if found:
            return found
    return ""


@pytest.mark.parametrize("name", CLIENTS)
class TestWalk:
    async def test_grant_types(self, rig: Rig, name: str) -> None:
        brand = rig.brand
        rig.change(provider(1, **CLIENTS[name]), dataclasses.replace(brand, flow_device_code="ask"))
        offered = (await told(rig))["grant_types_supported"]
        public = CLIENTS[name].get("client_type") == "public"
        for grant in GRANTS:
            if grant in {"implicit", "password"}:
                continue  # not one of this endpoint, and a person's password
            form = {"client_id": "wiki"} if public else {}
            answer = await rig.token(None if public else ("wiki", SECRET), grant_type=grant, **form)
            works = json_of(answer).get("error") not in {
                "unauthorized_client",
                "unsupported_grant_type",
                "invalid_client",
            }
            if name == "bound" and grant == "client_credentials":
                works = json_of(answer).get("error") == "invalid_dpop_proof"
            assert works is (grant in offered), (grant, answer.body)

    async def test_response_types(self, rig: Rig, name: str) -> None:
        rig.change(provider(1, **CLIENTS[name]))
        document = await told(rig)
        await rig.browser.sign_in()
        for kind in TYPES:
            found = error(await rig.browser.authorize(response_type=kind))
            if kind in document["response_types_supported"]:
                assert not found, (kind, found)
            elif kind != "id_token":  # a client that only speaks for itself is not told of what would do no harm
                assert found == "unauthorized_client", (kind, found)

    async def test_challenge_methods(self, rig: Rig, name: str) -> None:
        rig.change(provider(1, **CLIENTS[name]))
        document = await told(rig)
        if "code" not in document["response_types_supported"]:
            return
        await rig.browser.sign_in()
        for method in ("plain", "S256"):
            found = error(await rig.browser.authorize(code_challenge_method=method))
            assert (not found) is (method in document["code_challenge_methods_supported"])

    async def test_every_address_is_served_and_absolute(self, rig: Rig, name: str) -> None:
        rig.change(provider(1, **CLIENTS[name]))
        document = await told(rig)
        assert ("device_authorization_endpoint" in document) is (DEVICE_CODE in document["grant_types_supported"])
        for member, url in document.items():
            if member.endswith("_endpoint") or member in {"jwks_uri", "check_session_iframe"}:
                assert url.startswith(BASE)
                statuses = {(await rig.call(method, url.removeprefix(BASE))).status for method in ("GET", "POST")}
                assert statuses - {404, 405}, member


class TestOptions:
    async def test_claims_and_scopes_and_classes(self, rig: Rig) -> None:
        document = await told(rig)
        await rig.browser.sign_in()
        for scope in document["scopes_supported"]:
            assert scope in (await rig.browser.tokens(scope=f"openid {scope}"))["scope"].split()
        found = await rig.browser.tokens(scope=" ".join(document["scopes_supported"]))
        identity = await verified(rig, found["id_token"])
        assert set(identity) <= {*document["claims_supported"], "jti"}
        assert identity["acr"] in document["acr_values_supported"]
        assert document["claims_parameter_supported"] is True

    async def test_languages(self, rig: Rig) -> None:
        assert (await told(rig))["ui_locales_supported"] == ["de", "en"]

    async def test_pushed_requests_only(self, rig: Rig) -> None:
        await rig.browser.sign_in()
        assert (await told(rig))["require_pushed_authorization_requests"] is False
        rig.change(provider(1, require_pushed_authorization_requests=True))
        assert (await told(rig))["require_pushed_authorization_requests"] is True
        assert error(await rig.browser.authorize())

    async def test_request_objects(self, rig: Rig) -> None:
        assert (await told(rig))["request_object_signing_alg_values_supported"] == ["HS256"]
        jwk = ECKey.generate_key("P-384").as_dict(private=False)
        rig.change(provider(1, jwks={"keys": [jwk]}, require_signed_request_object=True))
        document = await told(rig)
        assert document["request_object_signing_alg_values_supported"] == ["ES384", "HS256"]
        assert document["require_signed_request_object"] is True
        assert error(await rig.browser.authorize())
        rig.change(provider(1, client_type="public"))
        assert (await told(rig))["request_parameter_supported"] is False
        rig.change(provider(1, jwks={"keys": "none"}))
        assert (await told(rig))["request_object_signing_alg_values_supported"] == ["HS256"]

    @pytest.mark.parametrize(
        ("method", "algorithms"),
        [("client_secret_jwt", ["HS256"]), ("private_key_jwt", ["ES256"]), ("tls_client_auth", None)],
    )
    async def test_methods_of_authentication(self, rig: Rig, method: str, algorithms: list[str] | None) -> None:
        jwk = ECKey.generate_key("P-256").as_dict(private=False)
        rig.change(provider(1, token_endpoint_auth_method=method, jwks={"keys": [jwk]}))
        document = await told(rig)
        for endpoint in ("token", "introspection", "revocation"):
            assert document[f"{endpoint}_endpoint_auth_methods_supported"] == [method]
            assert document.get(f"{endpoint}_endpoint_auth_signing_alg_values_supported") == algorithms
        assert json_of(await rig.token(grant_type="client_credentials"))["error"] == "invalid_client"

    async def test_a_public_client_needs_its_secret_to_introspect(self, rig: Rig) -> None:
        from ostiary.seal import Secret

        rig.change(provider(1, client_type="public"))
        document = await told(rig)
        assert document["token_endpoint_auth_methods_supported"] == ["none"]
        assert document["introspection_endpoint_auth_methods_supported"] == [
            "client_secret_post",
            "client_secret_basic",
        ]
        rig.change(provider(1, client_type="public", client_secret=Secret("")))
        assert (await told(rig))["introspection_endpoint_auth_methods_supported"] == []

    async def test_logout(self, rig: Rig) -> None:
        for method in ("backchannel", "frontchannel"):
            rig.change(provider(1, logout_method=method, logout_uri="https://app.example.org/out"))
            document = await told(rig)
            for name in ("backchannel", "frontchannel"):
                assert document[f"{name}_logout_supported"] is (name == method)
                assert document[f"{name}_logout_session_supported"] is (name == method)

    async def test_what_only_some_have(self, rig: Rig) -> None:

        rig.change(provider(1, sub_mode="pairwise", tls_client_certificate_bound_access_tokens=True))
        document = await told(rig)
        assert document["subject_types_supported"] == ["pairwise"]
        assert document["tls_client_certificate_bound_access_tokens"] is False  # no proxy hands certificates over
        await rig.restart(**certificates_in("x-client-cert"))
        assert (await told(rig))["tls_client_certificate_bound_access_tokens"] is True

    async def test_the_host_that_was_asked_is_told(self, rig: Rig) -> None:
        await rig.restart(OSTIARY_HOSTS="one.example,two.example:8443")
        for host in ("one.example", "two.example:8443"):
            answer = await rig.call("GET", "/application/o/wiki/.well-known/openid-configuration", host=host)
            assert json_of(answer)["issuer"] == f"https://{host}/application/o/wiki/"
            assert json_of(answer)["token_endpoint"] == f"https://{host}/application/o/token/"

    async def test_global_issuer(self, rig: Rig) -> None:
        rig.change(provider(1, issuer_mode="global"))
        assert (await told(rig))["issuer"] == f"{BASE}/"
