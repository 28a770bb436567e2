"""What pages offer, and in which order: passkeys first, recovery codes after something else."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
import pytest
from portal_samples import NOTES, SampleHouse, sample

from ostiary.flows.challenge_page import PageContext
from ostiary.flows.proofs.mfa_page import PAGE
from ostiary.web.request import Request


def values(name: str, **fields: Any) -> Any:
    challenge = sample(name)
    shown = {**challenge.fields, **fields}
    context = PageContext(
        request=Request(path="/if/flow/x/"),
        fields=shown,
        notes=NOTES,
        typed={},
        focus=True,
        translate=lambda text: text,
        interpolate=lambda text: text,
    )
    return PAGE.values(context)


def entry(device_class: str) -> dict[str, object]:
    return {"device_class": device_class, "device_uid": "1", "challenge": {}, "last_used": None}


def test_passkeys_come_first_and_recovery_codes_last() -> None:
    page = values("validate", device_challenges=[entry("static"), entry("totp"), entry("webauthn")])
    assert page["method"].device_class == "webauthn"
    assert [one.device_class for one in page["others"]] == ["totp", "static"]


def _stage(model: str) -> dict[str, object]:
    name = f"authentik_stages_authenticator_{model}.authenticator{model}stage"
    return {"pk": model, "name": model, "verbose_name": model, "meta_model_name": name}


@pytest.mark.parametrize(
    ("configured", "offered"),
    [
        (["totp", "static"], ["Authenticator app"]),
        (["static", "webauthn", "totp"], ["Passkey", "Authenticator app"]),
        (["static"], ["Recovery codes"]),
        (["static", "pigeon"], ["pigeon"]),
    ],
)
def test_recovery_codes_are_no_first_factor_where_there_is_another(configured: list[str], offered: list[str]) -> None:
    page = values("configure", configuration_stages=[_stage(model) for model in configured])
    assert [one["name"] for one in page["choices"]] == offered


async def test_an_address_without_passkeys_says_so() -> None:
    house = SampleHouse()
    fields = {**sample("passwordless").fields, "device_challenges": [entry("webauthn")]}
    house.engine.override["passwordless"] = fields
    transport = httpx.ASGITransport(app=house.site)
    async with httpx.AsyncClient(transport=transport, base_url="http://id.example.org") as client:
        page = (await client.get("/if/flow/passwordless/")).text
    assert "Passkeys do not work at this address" in page
    assert "data-passkey" not in page
