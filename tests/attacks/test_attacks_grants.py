"""A12, A13, A15, A18, A67: grants that are not allowed, requests that are not signed, tokens of others, redirects."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from typing import Any

import pytest
import test_oauth2_device as device
from oauth2_client_keys import Key, assertion_claims
from oauth2_rig import CALLBACK, SECRET, START, VERIFIER, Rig, answer_of, json_of, provider

from ostiary.policies.resources import PolicyBinding
from ostiary.proto.jose import SigningKey, sign
from ostiary.providers.oauth2.provider.fields import DEVICE_CODE
from ostiary.store.database import Statement
from ostiary.web.outgoing.requests import OutgoingFailed, post_form, url_problem
from ostiary.web.response import Response

GRANTS = ("authorization_code", "refresh_token", "client_credentials", "password", DEVICE_CODE)
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def refused(response: Response, *errors: str) -> None:
    assert response.status in {400, 401}, response.body
    assert json_of(response)["error"] in errors
    assert "access_token" not in json_of(response)


# A12


@pytest.mark.parametrize("grant", GRANTS)
async def test_a12_a_grant_that_is_not_the_clients_is_refused(rig: Rig, grant: str) -> None:
    await rig.browser.sign_in()
    code, tokens = await rig.browser.code(), await rig.browser.tokens()
    others = tuple(name for name in GRANTS if name != grant)
    rig.change(provider(1, grant_types=others))
    form = {
        "grant_type": grant, "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, "device_code": "x",
        "refresh_token": tokens["refresh_token"], "username": "ada", "password": "x", "scope": "openid",
    }  # fmt: skip
    refused(await rig.token(**form), "unauthorized_client")


@pytest.mark.parametrize(
    "response_type", ["token", "id_token", "code id_token", "id_token token", "code token", "code id_token token"]
)
async def test_a12_tokens_in_front_are_for_clients_that_list_implicit(rig: Rig, response_type: str) -> None:
    await rig.browser.sign_in()
    response = await rig.browser.authorize(response_type=response_type)
    location = response.header("location") or ""
    assert "access_token" not in location
    assert "id_token=" not in location
    assert "code=" not in location
    assert b"access_token" not in response.body


@pytest.mark.parametrize("mode", ["query", "query.jwt"])
async def test_a07_tokens_are_never_put_in_a_query(rig: Rig, mode: str) -> None:
    """The swap of response_mode that leaks: queries end in logs and referrers."""
    rig.change(provider(1, grant_types=("implicit", "authorization_code")))
    await rig.browser.sign_in()
    response = await rig.browser.authorize(response_type="id_token token", response_mode=mode)
    location = response.header("location") or ""
    assert "token=" not in location.partition("#")[0].partition("?")[2].replace("id_token_hint", "")


# A14


async def test_a14_the_method_of_the_client_decides(rig: Rig) -> None:
    """A client that signs with its key: neither its secret nor its public key make an assertion, by whatever name."""
    key = Key()
    rig.change(provider(1, token_endpoint_auth_method="private_key_jwt", jwks=key.jwks))

    async def prove(assertion: str) -> Response:
        form = {"client_assertion_type": ASSERTION, "client_assertion": assertion, "grant_type": "client_credentials"}
        return await rig.token(None, client_id="wiki", scope="openid", **form)

    assert (await prove(key.assertion(rig.now))).status == 200
    for secret in (SECRET, json.dumps(key.jwk), json.dumps(key.jwks), ""):
        refused(await prove(by_secret(secret, assertion_claims(rig.now))), "invalid_client")
    refused(await prove(key.assertion(rig.now, header={"alg": "none"})), "invalid_client")
    refused(await prove(Key().assertion(rig.now, header={"jwk": key.jwk})), "invalid_client")


def by_secret(secret: str, claims: dict[str, object]) -> str:
    return sign(json.dumps(claims).encode(), SigningKey(secret.encode()))


# A15


async def asked(rig: Rig, token: str, **more: str) -> str:
    response = await rig.browser.authorize(request=token, **more)
    return response.header("location") or ""


def request_object(key: Key, **changes: object) -> str:
    claims = {
        "iss": "wiki", "aud": "https://id.example.org/application/o/wiki/", "client_id": "wiki", "response_type": "code",
        "redirect_uri": CALLBACK, "scope": "openid", "exp": START // 1_000_000 + 60, **changes,
    }  # fmt: skip
    return key.sign({"alg": key.alg, "typ": "oauth-authz-req+jwt"}, claims)


async def test_a15_a_request_object_is_signed_by_the_client_or_refused(rig: Rig) -> None:
    key = Key()
    rig.change(provider(1, jwks=key.jwks, require_signed_request_object=True, pkce="optional"))
    await rig.browser.sign_in()
    good = request_object(key)
    assert "code=" in await asked(rig, good)
    head, payload, signature = good.split(".")
    none = Key().sign({"alg": "none"}, {}).split(".")[0]
    for wrong in (
        f"{none}.{payload}.",
        f"{none}.{payload}.{signature}",
        f"{head}.{payload}.",
        request_object(Key()),
        f"{head}..{payload}.{payload}.{signature}",  # five parts: encrypted, its rules would be skipped
        payload,
        "",
    ):
        assert "code=" not in await asked(rig, wrong)
    assert "code=" not in ((await rig.browser.authorize()).header("location") or "")


async def test_a15_what_stands_outside_of_it_does_not_count(rig: Rig) -> None:
    key = Key()
    rig.change(provider(1, jwks=key.jwks, pkce="optional"))
    await rig.browser.sign_in()
    location = await asked(rig, request_object(key, state="inside"), state="outside", redirect_uri=CALLBACK)
    assert "state=outside" not in location
    location = await asked(rig, request_object(key, redirect_uri="https://evil.example/"))
    assert "evil.example" not in location


# A18


async def foreign(rig: Rig, scope: str = "openid") -> dict[str, Any]:
    """Tokens of the application "other"."""
    await rig.browser.sign_in()
    code = await rig.browser.code(client_id="other", scope=scope)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return json_of(await rig.token(("other", SECRET), **form))


async def federate(rig: Rig, token: str) -> Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": "wiki",
        "client_assertion_type": ASSERTION,
        "client_assertion": token,
    }
    return await rig.token(None, scope="openid", **form)


async def test_a18_a_token_of_others_counts_only_where_it_is_trusted(rig: Rig) -> None:
    tokens = await foreign(rig)
    refused(await federate(rig, tokens["access_token"]), "invalid_client", "invalid_grant")
    rig.change(provider(1, jwt_federation_providers=(2,)))
    assert (await federate(rig, tokens["access_token"])).status == 200
    for other in (tokens["id_token"], tokens["access_token"] + "x", "x" * 40_000, "a.b.c"):
        refused(await federate(rig, other), "invalid_client", "invalid_grant")


async def test_a18_policies_and_the_person_are_asked_as_anywhere(rig: Rig) -> None:
    tokens = await foreign(rig)
    rig.change(
        provider(1, jwt_federation_providers=(2,)), PolicyBinding(pk="block", target="app", group="nobody", order=0)
    )
    refused(await federate(rig, tokens["access_token"]), "invalid_grant")
    rig.drop("authentik_policies.policybinding", "block")
    assert (await federate(rig, tokens["access_token"])).status == 200
    await rig.run(Statement("UPDATE directory_user SET is_active = 0 WHERE pk = 7", ()))
    refused(await federate(rig, tokens["access_token"]), "invalid_grant")


async def test_a18_a_provider_that_is_gone_vouches_for_nobody(rig: Rig) -> None:
    tokens = await foreign(rig)
    rig.change(provider(1, jwt_federation_providers=(2,)))
    rig.drop("authentik_core.application", "other")
    refused(await federate(rig, tokens["access_token"]), "invalid_grant", "invalid_client")


async def test_a18_a_token_that_was_taken_back_vouches_for_nobody(rig: Rig) -> None:
    tokens = await foreign(rig)
    rig.change(provider(1, jwt_federation_providers=(2,)))
    await rig.browser.sign_out()
    refused(await federate(rig, tokens["access_token"]), "invalid_grant", "invalid_client")


# A67


async def test_a67_the_way_out_does_not_follow_redirects() -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n"))
        port = server.sockets[0].getsockname()[1]
        writer.write(
            f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{port}/secret\r\ncontent-length: 0\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await post_form(f"http://127.0.0.1:{port}/told", [("a", "1")], seconds=3) == 302
    assert len(seen) == 1
    assert seen[0].startswith(b"POST /told ")


async def test_a67_the_way_out_has_an_end() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 ")
        try:
            while True:
                writer.write(b"1" * 4096)
                await writer.drain()
                await asyncio.sleep(0.001)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        writer.close()

    for behaviour in (endless, silent):
        server = await asyncio.start_server(behaviour, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(OutgoingFailed):
                await asyncio.wait_for(post_form(f"http://127.0.0.1:{port}/", [], seconds=0.5), 60)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://a/",
        "http://user:x@a/",
        "http://a/#b",
        "http://a/\r\nx: y",
        "//a",
        "",
    ],
)
def test_a67_only_plain_web_addresses(url: str) -> None:
    assert url_problem(url) is not None


def test_a67_logout_addresses_are_checked_when_saved() -> None:
    from ostiary.providers.oauth2.provider.definition import validate_provider

    for url in ("file:///etc/passwd", "javascript:x", "http://a/\nb"):
        assert [item.field for item in validate_provider(provider(1, logout_uri=url))] == ["logout_uri"], url
    assert (
        json.dumps(list(validate_provider(provider(1, logout_uri="https://app.example.org/out"))), default=str) == "[]"
    )


async def test_a13_a_device_code_is_its_clients_and_bound_to_its_request(rig: Rig) -> None:
    brand = rig.brand
    rig.change(device.FLOW, dataclasses.replace(brand, flow_device_code="device"))
    form = {"client_id": "wiki", "scope": "openid admin"}
    begun = json_of(await rig.call("POST", "/application/o/device/", form=form))
    code = begun["device_code"]
    assert begun["user_code"] not in begun["device_code"]
    other = await rig.token(("other", SECRET), grant_type=DEVICE_CODE, device_code=code)
    refused(other, "invalid_grant")
    for wrong in (begun["user_code"], code[:-1], code + "x", ""):
        refused(await rig.token(grant_type=DEVICE_CODE, device_code=wrong), "invalid_grant", "invalid_request")
    refused(await rig.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK), "invalid_grant")
    refused(await rig.token(grant_type=DEVICE_CODE, device_code=code), "authorization_pending")
    stored = await rig.rows("SELECT * FROM device_grant")
    assert not any(begun[name] in str(dict(row)) for row in stored for name in ("device_code", "user_code"))
    assert answer_of(await rig.browser.authorize(prompt="none"))["error"] == "login_required"


async def test_a13_what_was_granted_to_a_device_is_its_clients(rig: Rig) -> None:
    """The person has said yes: the code is worth tokens now, and to nobody else."""
    brand = rig.brand
    rig.change(device.FLOW, dataclasses.replace(brand, flow_device_code="device"))
    begun = await device.begin(rig)
    await rig.browser.sign_in()
    await device.allow(rig.browser, begun["user_code"])
    thief = await rig.token(("other", SECRET), grant_type=DEVICE_CODE, device_code=begun["device_code"])
    refused(thief, "invalid_grant")
    assert (await rig.token(grant_type=DEVICE_CODE, device_code=begun["device_code"])).status == 200
    again = await rig.token(grant_type=DEVICE_CODE, device_code=begun["device_code"])
    refused(again, "invalid_grant", "expired_token")
