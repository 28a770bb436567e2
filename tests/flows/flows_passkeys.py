"""People and flows with passkeys."""

from __future__ import annotations

from typing import Any

from flows_world import Client, World, pk
from support.passkeys import SoftKey

from ostiary.flows.authenticators.webauthn.stage import AuthenticatorWebAuthnStage

SETUP = "setup"
ORIGIN = "http://id.example.org"


def soft_key(**values: Any) -> SoftKey:
    return SoftKey(**{"origin": ORIGIN, **values})


def setup_flow(world: World, **values: Any) -> AuthenticatorWebAuthnStage:
    stage = AuthenticatorWebAuthnStage(pk=pk(), name="passkey", **values)
    world.flow(SETUP, [stage], designation="stage_configuration", authentication="require_authenticated")
    return stage


async def signed_in(world: World, name: str = "jo") -> Client:
    client = Client(world)
    await client.sign_in(name)
    client.slug = SETUP
    return client


async def make(world: World, key: SoftKey, *, name: str = "jo", **answer: Any) -> dict[str, Any]:
    """Set a passkey up through the flow."""
    client = await signed_in(world, name)
    shown = await client.get()
    assert shown["component"] == "ak-stage-authenticator-webauthn"
    return await client.answer(component=shown["component"], response=key.create(shown["registration"]), **answer)


async def at_second_factor(world: World, client: Client, name: str = "jo") -> dict[str, Any]:
    shown = await client.sign_in(name)
    assert shown["component"] == "ak-stage-authenticator-validate"
    return shown


def asked(shown: dict[str, Any]) -> dict[str, Any]:
    found = [one for one in shown["device_challenges"] if one["device_class"] == "webauthn"]
    assert len(found) == 1
    return dict(found[0]["challenge"])


async def signed_in_with(world: World, key: SoftKey, name: str = "jo") -> Client:
    client = Client(world)
    shown = await at_second_factor(world, client, name)
    await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
    client.slug = SETUP
    return client
