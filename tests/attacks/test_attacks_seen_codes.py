"""What somebody can do with a code or token that they have merely seen: nothing (A08, A09, A16)."""

from __future__ import annotations

from typing import Any

import pytest
from oauth2_rig import CALLBACK, SECOND, SECRET, VERIFIER, Rig, answer_of, basic_header, json_of, provider

from ostiary.grants.authorization_codes import MAX_GUESSES
from ostiary.web.response import Response


async def exchange(rig: Rig, code: str, client: str = "wiki", **changes: str) -> Response:
    form = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER, **changes}
    sent = {name: value for name, value in form.items() if value}
    return await rig.token((client, SECRET), grant_type="authorization_code", **sent)


async def refresh(rig: Rig, token: str, client: str = "wiki") -> Response:
    return await rig.token((client, SECRET), grant_type="refresh_token", refresh_token=token)


async def userinfo(rig: Rig, token: str) -> Response:
    return await rig.call("GET", "/application/o/userinfo/", headers={"authorization": f"Bearer {token}"})


def refused(response: Response) -> None:
    assert (response.status, json_of(response)["error"]) == (400, "invalid_grant")


MISFITS: list[dict[str, Any]] = [
    {"client": "other"},
    {"redirect_uri": "https://app.example.org/bye"},
    {"redirect_uri": ""},
    {"code_verifier": ""},
    {"code_verifier": "x" * 43},
    {"code_verifier": "short"},
    {"resource": "https://nobody.example.org/"},  # the provider knows another one
]


@pytest.mark.parametrize("misfit", MISFITS, ids=str)
async def test_a09_who_has_only_seen_a_code_does_not_burn_it(both: Rig, misfit: dict[str, Any]) -> None:
    both.change(provider(1, resources=("https://api.example.org/",)))
    await both.browser.sign_in()
    code = await both.browser.code()
    answer = json_of(await exchange(both, code, **misfit))
    assert answer["error"] in {"invalid_grant", "invalid_target"}
    assert (await exchange(both, code)).status == 200


@pytest.mark.parametrize("misfit", MISFITS, ids=str)
async def test_a09_nor_ends_what_came_of_it(both: Rig, misfit: dict[str, Any]) -> None:
    """The replay of a used code ends tokens: so it has to be one, by the client and with its proof."""
    both.change(provider(1, resources=("https://api.example.org/",)))
    await both.browser.sign_in()
    code = await both.browser.code()
    first = json_of(await exchange(both, code))
    answer = json_of(await exchange(both, code, **misfit))
    assert answer["error"] in {"invalid_grant", "invalid_target"}
    assert (await userinfo(both, first["access_token"])).status == 200
    assert not await both.events("suspicious_request")
    assert (await refresh(both, first["refresh_token"])).status == 200


async def test_a08_a_verifier_cannot_be_found_by_trying(both: Rig) -> None:
    await both.browser.sign_in()
    code = await both.browser.code()
    for number in range(MAX_GUESSES):
        refused(await exchange(both, code, code_verifier=f"{number:043}"))
    assert len(await both.events("suspicious_request")) == 1
    refused(await exchange(both, code))


async def test_a16_nobody_ends_what_is_another_clients(both: Rig) -> None:
    """Refresh tokens, used ones too, and revocation: the client is compared before anything is changed."""
    await both.browser.sign_in()
    first = await both.browser.tokens()
    second = json_of(await refresh(both, first["refresh_token"]))
    both.now += 60 * SECOND
    headers = {"authorization": basic_header("other", SECRET)}
    for token in (first["refresh_token"], second["refresh_token"], second["access_token"]):
        refused(await refresh(both, token, client="other"))
        revoked = await both.call("POST", "/application/o/revoke/", form={"token": token}, headers=headers)
        assert revoked.status == 200
    assert not await both.events("suspicious_request")
    assert (await userinfo(both, second["access_token"])).status == 200
    assert (await refresh(both, second["refresh_token"])).status == 200


async def test_a09_a_pushed_request_is_its_clients(both: Rig) -> None:
    """Another client that has seen the request_uri neither uses it up nor learns what was pushed."""
    form = {"response_type": "code", "redirect_uri": CALLBACK, "scope": "openid", "state": "st"}
    headers = {"authorization": basic_header("wiki", SECRET)}
    pushed = json_of(await both.call("POST", "/application/o/par/", form=form, headers=headers))
    await both.browser.sign_in()
    stolen = await both.browser.authorize(client_id="other", request_uri=pushed["request_uri"])
    assert answer_of(stolen)["error"] == "invalid_request_uri"
    assert "code" in answer_of(await both.browser.authorize(request_uri=pushed["request_uri"]))
