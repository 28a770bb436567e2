"""Passkeys: set up, as a second factor, alone, and everything that is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import cbor2
import pytest
from flows_passkeys import asked, at_second_factor, make, setup_flow, signed_in, signed_in_with, soft_key
from flows_world import NOW, Client, Default, World, default_flow, pk
from support.passkeys import ES256, RS256, YUBIKEY, EdDSA, SoftKey, octets, text

from ostiary.brands.resources import Host
from ostiary.directory.authenticators.device import Attempt
from ostiary.flows.authenticators.webauthn.authenticator import WebAuthnAuthenticator
from ostiary.flows.authenticators.webauthn.device_type import WebAuthnDeviceType
from ostiary.flows.proofs.relying_party import party_of
from ostiary.proto.webauthn import NO_AAGUID, Registered
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request


@pytest.fixture
def house(world: World) -> Default:
    setup_flow(world)
    return default_flow(world)


@pytest.mark.parametrize("algorithm", [ES256, EdDSA, RS256])
async def test_a_passkey_is_set_up_and_is_a_second_factor(world: World, house: Default, algorithm: Any) -> None:
    user = await world.user()
    key = soft_key(key=algorithm())
    assert (await make(world, key))["to"] == "/"
    (device,) = await world.devices.confirmed(user.pk)
    assert (device.device_class, device.name, device.own["rp_id"]) == ("webauthn", "Passkey", "id.example.org")
    assert (device.own["aaguid"], device.own["transports"], device.own["sign_count"]) == (YUBIKEY, "usb", 1)
    told = [one["context"]["model"]["model_name"] for one in await world.events("model_created")]
    assert sorted(told) == ["user", "webauthndevice"]

    client = Client(world)
    shown = await at_second_factor(world, client)
    (entry,) = shown["device_challenges"]
    assert (entry["device_class"], entry["device_uid"], entry["last_used"]) == ("webauthn", str(device.pk), None)
    options = entry["challenge"]
    assert len(octets(options.pop("challenge"))) == 64
    assert options == {
        "timeout": 60000,
        "rpId": "id.example.org",
        "allowCredentials": [{"id": key.id, "type": "public-key", "transports": ["usb"]}],
        "userVerification": "preferred",
    }
    answer = key.get(asked(await client.get()))
    assert (await client.answer(component=shown["component"], webauthn=answer))["to"] == "/"
    assert (await client.session()).amr == ("pwd", "mfa")
    (device,) = await world.devices.confirmed(user.pk)
    assert (device.own["sign_count"], device.last_used) == (2, NOW)


async def test_the_registration_options_are_authentiks(world: World, house: Default) -> None:
    user = await world.user()
    first = soft_key()
    await make(world, first)
    client = await signed_in_with(world, first)
    options = (await client.get())["registration"]
    subject = await world.users.subject(user.pk)
    assert subject is not None
    assert len(octets(options.pop("challenge"))) == 64
    assert octets(options["user"].pop("id")).decode() == subject.uid
    assert options == {
        "rp": {"name": "Ostiary", "id": "id.example.org"},
        "user": {"name": "jo", "displayName": "jo"},
        "pubKeyCredParams": [
            {"type": "public-key", "alg": number} for number in (-7, -8, -36, -37, -38, -39, -257, -258, -259)
        ],
        "timeout": 60000,
        "excludeCredentials": [{"id": first.id, "type": "public-key", "transports": ["usb"]}],
        "authenticatorSelection": {
            "residentKey": "preferred",
            "requireResidentKey": False,
            "userVerification": "preferred",
        },
        "attestation": "direct",
    }


class TestSetUp:
    async def test_it_is_named_by_its_owner_or_after_its_model(self, world: World, house: Default) -> None:
        user = await world.user()
        world.change(WebAuthnDeviceType(pk=YUBIKEY, aaguid=YUBIKEY, description="YubiKey 5"))
        world.change(WebAuthnDeviceType(pk=NO_AAGUID, aaguid=NO_AAGUID, description="Unknown"))
        first = soft_key()
        await make(world, first)
        for key, answer in (
            (soft_key(), {}),
            (soft_key(aaguid=NO_AAGUID), {}),
            (soft_key(), {"name": "  My blue one "}),
        ):
            client = await signed_in_with(world, first)
            shown = await client.get()
            await client.answer(component=shown["component"], response=key.create(shown["registration"]), **answer)
        names = [device.name for device in await world.devices.confirmed(user.pk)]
        assert names == ["YubiKey 5", "YubiKey 5 2", "Passkey", "My blue one"]

    @pytest.mark.parametrize(
        ("key", "change"),
        [
            ({"origin": "https://evil.example"}, {}),
            ({"origin": "https://id.example.org.evil.example"}, {}),
            ({"rp_id": "example.org"}, {}),
            ({"more": {"crossOrigin": True}}, {}),
            ({"more": {"type": "webauthn.get"}}, {}),
            ({"more": {"challenge": "AAAA"}}, {}),
            ({}, {"id": "AAAA"}),
            ({}, {"type": "password"}),
            ({}, {"response": {}}),
            ({}, {"response": {"clientDataJSON": "AA", "attestationObject": "AA"}}),
            ({}, {"rawId": None}),
        ],
    )
    async def test_a35_what_is_not_right_is_not_set_up(
        self, world: World, house: Default, key: dict[str, Any], change: dict[str, Any]
    ) -> None:
        user = await world.user()
        client = await signed_in(world)
        shown = await client.get()
        answer = {**soft_key(**key).create(shown["registration"]), **change}
        again = await client.answer(component=shown["component"], response=answer)
        assert again["response_errors"] == {
            "response": [{"string": "This passkey could not be set up. Try again.", "code": "invalid"}]
        }
        assert again["registration"]["challenge"] != shown["registration"]["challenge"]
        assert (await client.get())["registration"]["challenge"] == again["registration"]["challenge"]
        assert await world.devices.of_user(user.pk) == []

    async def test_a35_a_challenge_is_answered_once(self, world: World, house: Default) -> None:
        user = await world.user()
        client = await signed_in(world)
        shown = await client.get()
        right = soft_key().create(shown["registration"])
        await client.answer(component=shown["component"], response={**right, "type": "odd"})
        assert "response_errors" in await client.answer(component=shown["component"], response=right)
        assert await world.devices.of_user(user.pk) == []

    async def test_a35_nobody_takes_a_key_that_is_set_up_already(self, world: World, house: Default) -> None:
        await world.user()
        other = await world.user("eve")
        key = soft_key()
        await make(world, key)
        told = await make(world, key, name="eve")
        assert told["response_errors"]["response"][0]["string"] == "This passkey is set up already."
        assert await world.devices.of_user(other.pk) == []

    async def test_a35_a_key_is_stored_once_when_two_set_it_up_at_a_time(self, world: World, house: Default) -> None:
        users = [await world.user(), await world.user("eve")]
        key = soft_key()
        clients = [await signed_in(world), await signed_in(world, "eve")]
        shown = [await client.get() for client in clients]
        answers = [key.create(one["registration"]) for one in shown]
        kind: Any = world.devices.kind(WebAuthnAuthenticator)
        looked = kind.owned_by
        try:
            kind.owned_by = lambda _attempt: ("credential_id", "nobody's")
            for client, one, answer in zip(clients, shown, answers, strict=True):
                await client.post(component=one["component"], response=answer)
        finally:
            kind.owned_by = looked
        assert [len(await world.devices.of_user(user.pk)) for user in users] == [1, 0]

    async def test_a35_user_verification_is_demanded_here(self, world: World) -> None:
        default_flow(world)
        setup_flow(world, user_verification="required")
        user = await world.user()
        told = await make(world, soft_key(verified=False))
        assert told["response_errors"]["response"][0]["string"].startswith("Your passkey did not check")
        assert await world.devices.of_user(user.pk) == []
        assert (await make(world, soft_key()))["to"] == "/"

    async def test_a35_another_model_is_not_set_up(self, world: World) -> None:
        default_flow(world)
        world.change(WebAuthnDeviceType(pk=YUBIKEY, aaguid=YUBIKEY, description="YubiKey 5"))
        setup_flow(world, device_type_restrictions=(YUBIKEY,))
        user = await world.user()
        told = await make(world, soft_key(aaguid=NO_AAGUID))
        assert told["response_errors"]["response"][0]["string"].startswith("Passkeys of this model cannot be set up")
        assert await world.devices.of_user(user.pk) == []
        assert (await make(world, soft_key()))["to"] == "/"

    async def test_the_flow_ends_after_as_many_failures_as_the_stage_says(self, world: World) -> None:
        default_flow(world)
        setup_flow(world, max_attempts=2)
        await world.user()
        client = await signed_in(world)
        shown = await client.get()
        shown = await client.answer(component=shown["component"], response={})
        assert shown["component"] == "ak-stage-authenticator-webauthn"
        shown = await client.answer(component=shown["component"], response={})
        assert (shown["component"], shown["error_message"]) == (
            "ak-stage-access-denied",
            "This failed too often. Start again.",
        )

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.0.0.1:9000"])
    async def test_an_ip_address_has_no_passkeys(self, world: World, house: Default, host: str) -> None:
        assert party_of(Request(host=host), frozenset({host})) is None

    async def test_a35_only_a_named_host_has_passkeys(self) -> None:
        hosts = frozenset({"id.example.org", "door.example:8443", ".house.example"})
        for host, origin in {
            "id.example.org": "https://id.example.org",
            "id.example.org:9443": "https://id.example.org:9443",
            "door.example:8443": "https://door.example:8443",
            "a.house.example": "https://a.house.example",
            "localhost:9000": "https://localhost:9000",
        }.items():
            party = party_of(Request(host=host, scheme="https"), hosts)
            assert party is not None
            assert party.origin == origin
        for host in ("evil.example", "id.example.org.evil.example", "evilhouse.example", "", "a b"):
            assert party_of(Request(host=host, scheme="https"), hosts) is None


class TestSecondFactor:
    @pytest.mark.parametrize(
        ("key", "change"),
        [
            ({"origin": "https://evil.example"}, {}),
            ({"origin": "http://evil.id.example.org"}, {}),
            ({"rp_id": "example.org"}, {}),
            ({"more": {"crossOrigin": True}}, {}),
            ({"more": {"type": "webauthn.create"}}, {}),
            ({"more": {"challenge": "AAAA"}}, {}),
            ({"handle": "AAAA"}, {}),
            ({}, {"type": "password"}),
            ({}, {"response": {}}),
            ({}, {"rawId": "AAAA"}),
        ],
    )
    async def test_a35_a_wrong_assertion_is_none(
        self, world: World, house: Default, key: dict[str, Any], change: dict[str, Any]
    ) -> None:
        user = await world.user()
        made = soft_key()
        await make(world, made)
        client = Client(world)
        shown = await at_second_factor(world, client)
        for name, value in key.items():
            setattr(made, name, value)
        again = await client.answer(component=shown["component"], webauthn={**made.get(asked(shown)), **change})
        assert again["response_errors"] == {
            "webauthn": [{"string": "This passkey was not accepted. Try again, or use another way.", "code": "invalid"}]
        }
        assert asked(again)["challenge"] != asked(shown)["challenge"]
        assert asked(await client.get())["challenge"] == asked(again)["challenge"]
        (device,) = await world.devices.confirmed(user.pk)
        assert (device.own["sign_count"], device.locked_until, device.last_used) == (1, 0, None)
        assert (await client.session()).user is None

    async def test_a35_a_challenge_is_answered_once(self, world: World, house: Default) -> None:
        await world.user()
        key = soft_key()
        await make(world, key)
        client = Client(world)
        shown = await at_second_factor(world, client)
        right = key.get(asked(shown))
        await client.answer(component=shown["component"], webauthn={**right, "type": "odd"})
        assert "response_errors" in await client.answer(component=shown["component"], webauthn=right)
        assert (await client.session()).user is None

    async def test_a35_an_answer_of_another_browser_is_none(self, world: World, house: Default) -> None:
        await world.user()
        key = soft_key(count=0)
        await make(world, key)
        first, second = Client(world), Client(world)
        shown = await at_second_factor(world, first)
        await at_second_factor(world, second)
        answer = key.get(asked(shown))
        assert "response_errors" in await second.answer(component=shown["component"], webauthn=answer)
        assert (await first.answer(component=shown["component"], webauthn=answer))["to"] == "/"
        third = Client(world)
        await at_second_factor(world, third)
        assert "response_errors" in await third.answer(component=shown["component"], webauthn=answer)

    async def test_a35_somebody_elses_key_is_none(self, world: World, house: Default) -> None:
        await world.user()
        await world.user("eve")
        key, other = soft_key(), soft_key()
        await make(world, key)
        await make(world, other, name="eve")
        client = Client(world)
        shown = await at_second_factor(world, client)
        assert "response_errors" in await client.answer(component=shown["component"], webauthn=other.get(asked(shown)))
        pretended = {**other.get(asked(await client.get())), "id": key.id, "rawId": key.id}
        assert "response_errors" in await client.answer(component=shown["component"], webauthn=pretended)

    async def test_a35_a_copy_is_refused_and_told(self, world: World, house: Default) -> None:
        user = await world.user()
        key = soft_key(count=7)
        await make(world, key)
        for count in (6, 2, 7):  # answered with 7, 3 and 8
            key.count = count
            client = Client(world)
            shown = await at_second_factor(world, client)
            told = await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
            assert ("response_errors" in told) == (count != 7)
        events = await world.events("suspicious_request")
        assert sorted(str(one["context"]["message"]) for one in events) == [
            "The counter of passkey Passkey went from 7 to 3: there may be a copy of it.",
            "The counter of passkey Passkey went from 7 to 7: there may be a copy of it.",
        ]
        assert events[0]["who"]["pk"] == user.pk

    async def test_a35_a_counter_is_taken_once_when_two_answer_at_a_time(self, world: World, house: Default) -> None:
        user = await world.user()
        key = soft_key()
        await make(world, key)
        (device,) = await world.devices.confirmed(user.pk)
        state = {"challenge": "AAAA", "rp_id": "id.example.org"}
        answer = {"webauthn": key.get({"challenge": "AAAA", "rpId": "id.example.org"})}
        request = Request(host="id.example.org", scheme="http")
        demands = {"webauthn": {"hosts": ["id.example.org"]}}
        attempt = Attempt(answer, NOW, states={"webauthn": state}, request=request, demands=demands)
        taken = await asyncio.gather(*(world.devices.verify_with([device], attempt) for _ in range(3)))
        assert sorted(one is not None for one in taken) == [False, False, True]

    async def test_a_key_that_does_not_count_is_accepted_again(self, world: World, house: Default) -> None:
        await world.user()
        key = soft_key(count=0)
        await make(world, key)
        for _ in range(2):
            client = Client(world)
            shown = await at_second_factor(world, client)
            assert (await client.answer(component=shown["component"], webauthn=key.get(asked(shown))))["to"] == "/"

    async def test_a35_user_verification_is_demanded(self, world: World) -> None:
        default_flow(world, webauthn_user_verification="required")
        setup_flow(world)
        await world.user()
        key = soft_key()
        await make(world, key)
        key.verified = False
        client = Client(world)
        shown = await at_second_factor(world, client)
        assert asked(shown)["userVerification"] == "required"
        told = await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
        assert told["response_errors"]["webauthn"][0]["code"] == "user_verification"
        key.verified = True
        assert (await client.answer(component=shown["component"], webauthn=key.get(asked(told))))["to"] == "/"

    async def test_a35_another_model_is_refused(self, world: World) -> None:
        world.change(WebAuthnDeviceType(pk=YUBIKEY, aaguid=YUBIKEY, description="YubiKey 5"))
        default_flow(world, webauthn_allowed_device_types=(YUBIKEY,), not_configured_action="skip")
        setup_flow(world)
        await world.user()
        key = soft_key(aaguid=NO_AAGUID)
        await make(world, key)
        client = Client(world)
        shown = await at_second_factor(world, client)  # not skipped: there is a passkey
        told = await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
        assert told["response_errors"]["webauthn"][0]["code"] == "device_type"
        assert (await client.session()).user is None

    async def test_several_keys_are_one_challenge(self, world: World, house: Default) -> None:
        await world.user()
        keys = [soft_key(), soft_key()]
        await make(world, keys[0])
        client = await signed_in_with(world, keys[0])
        shown = await client.get()
        await client.answer(component=shown["component"], response=keys[1].create(shown["registration"]))
        for key in keys:
            client = Client(world)
            shown = await at_second_factor(world, client)
            assert [one["id"] for one in asked(shown)["allowCredentials"]] == [one.id for one in keys]
            assert (await client.answer(component=shown["component"], webauthn=key.get(asked(shown))))["to"] == "/"

    async def test_a_key_of_authentik_signs_in(self, world: World, house: Default) -> None:
        """What its database holds: credential ID, COSE key, counter, RP ID, no transports, no user handle."""
        user = await world.user()
        key = soft_key(count=0)
        made = await made_elsewhere(key)
        kind = world.devices.kind(WebAuthnAuthenticator)
        statement = kind.add(made, user=user.pk, name="Old", rp_id="id.example.org", user_handle="", now=NOW)
        await world.database.write(lambda: run([statement]))
        key.handle = "b2xkLWhhbmRsZQ"
        client = Client(world)
        shown = await at_second_factor(world, client)
        assert asked(shown)["allowCredentials"] == [{"id": key.id, "type": "public-key"}]
        assert (await client.answer(component=shown["component"], webauthn=key.get(asked(shown))))["to"] == "/"

    async def test_a35_a_key_of_another_host_is_asked_for_as_such(self, world: World, house: Default) -> None:
        user = await world.user()
        key = soft_key(count=0)
        kind = world.devices.kind(WebAuthnAuthenticator)
        statement = kind.add(
            await made_elsewhere(key), user=user.pk, name="Old", rp_id="old.example", user_handle="", now=NOW
        )
        await world.database.write(lambda: run([statement]))
        client = Client(world)
        shown = await at_second_factor(world, client)
        assert (asked(shown)["rpId"], asked(shown)["allowCredentials"]) == ("id.example.org", [])
        key.rp_id = "old.example"  # as if it had been asked for
        told = await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
        assert "response_errors" in told
        key.rp_id = None
        assert "response_errors" in await client.answer(component=shown["component"], webauthn=key.get(asked(told)))
        world.change(Host(pk=pk(), host="old.example"))
        client = Client(world)
        shown = await at_second_factor(world, client)
        assert asked(shown)["rpId"] == "old.example"
        assert (await client.answer(component=shown["component"], webauthn=key.get(asked(shown))))["to"] == "/"


async def made_elsewhere(key: SoftKey) -> Registered:
    return Registered(
        credential_id=key.id,
        public_key=text(cbor2.dumps(key.key.cose())),
        sign_count=0,
        aaguid=NO_AAGUID,
        transports=(),
        user_verified=False,
        backed_up=False,
    )
