"""Passkeys that sign in alone, what that costs, and which of our addresses share passkeys."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flows_passkeys import asked, make, setup_flow, soft_key
from flows_world import PASSWORD, Client, Default, World, default_flow, pk

from ostiary.brands.resources import Host
from ostiary.flows.stages.authenticator_validate import AuthenticatorValidateStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run


@pytest.fixture
def house(world: World) -> Default:
    setup_flow(world)
    return default_flow(world)


class TestAlone:
    """A flow that begins with a passkey, and the offer in the field of the name."""

    def flow(self, world: World, **values: Any) -> AuthenticatorValidateStage:
        stage = AuthenticatorValidateStage(pk=pk(), name="alone", device_classes=("webauthn",), **values)
        world.flow("alone", [stage, UserLoginStage(pk=pk(), name="in")])
        return stage

    async def test_whoever_has_a_passkey_signs_in(self, world: World, house: Default) -> None:
        self.flow(world)
        user = await world.user()
        key = soft_key()
        await make(world, key)
        client = Client(world, slug="alone")
        shown = await client.get()
        assert (shown["component"], shown["pending_user"]) == ("ak-stage-authenticator-validate", "")
        (entry,) = shown["device_challenges"]
        assert (entry["device_class"], entry["device_uid"]) == ("webauthn", "-1")
        assert (entry["challenge"]["allowCredentials"], entry["challenge"]["userVerification"]) == ([], "required")
        answer = key.get(entry["challenge"])
        assert (await client.answer(component=shown["component"], webauthn=answer))["to"] == "/"
        session = await client.session()
        assert (session.user, session.auth_method, session.amr) == (user.pk, "auth_webauthn_pwl", ("user", "mfa"))
        assert [one["name"] for one in session.auth_args["mfa_devices"]] == ["Passkey"]

    async def test_a35_a_passkey_alone_verifies_the_person(self, world: World, house: Default) -> None:
        self.flow(world, webauthn_user_verification="discouraged")
        await world.user()
        key = soft_key()
        await make(world, key)
        key.verified = False
        client = Client(world, slug="alone")
        shown = await client.get()
        told = await client.answer(component=shown["component"], webauthn=key.get(asked(shown)))
        assert told["response_errors"]["webauthn"][0]["code"] == "user_verification"
        assert (await client.session()).user is None

    async def test_a42_an_unknown_key_reads_like_a_wrong_signature(self, world: World, house: Default) -> None:
        self.flow(world)
        user = await world.user()
        key, unknown, inactive = soft_key(), soft_key(), soft_key()
        await make(world, key)
        await world.user("ina")
        await make(world, inactive, name="ina")
        await world.database.write(
            lambda: run([Statement("UPDATE directory_user SET is_active = 0 WHERE username = 'ina'")])
        )
        told = []
        for one, change in ((unknown, {}), (key, {"type": "odd"}), (inactive, {}), (key, {"response": {}})):
            client = Client(world, slug="alone")
            shown = await client.get()
            again = await client.answer(component=shown["component"], webauthn={**one.get(asked(shown)), **change})
            told.append(again["response_errors"])
            assert (await client.session()).user is None
        assert all(one == told[0] for one in told)
        (device,) = await world.devices.confirmed(user.pk)
        assert device.locked_until == 0

    async def test_a35_a_named_person_is_not_passed_over(self, world: World) -> None:
        """Somebody who was named, and does not exist, is not asked for a key of whoever comes."""
        house = default_flow(world)
        world.flow("other", [house.identification, house.mfa, house.login])
        await world.user()
        client = Client(world, slug="other")
        await client.get()
        shown = await client.answer(component="ak-stage-identification", uid_field="nobody")
        assert shown["component"] == "ak-stage-access-denied"

    async def test_a_passkey_answers_in_place_of_a_name(self, world: World) -> None:
        house = default_flow(world)
        world.change(_with(house.identification, webauthn_stage=str(house.mfa.pk)))
        setup_flow(world)
        user = await world.user()
        key = soft_key()
        await make(world, key)
        client = Client(world)
        shown = await client.get()
        options = shown["passkey_challenge"]
        assert (options["rpId"], options["allowCredentials"]) == ("id.example.org", [])
        assert options["userVerification"] == "required"
        assert (await client.get())["passkey_challenge"] == options
        told = await client.answer(component=shown["component"], passkey={**key.get(options), "type": "odd"})
        assert list(told["response_errors"]) == ["passkey"]
        assert told["passkey_challenge"]["challenge"] != options["challenge"]
        answer = key.get(told["passkey_challenge"])
        assert (await client.answer(component=shown["component"], passkey=answer))["to"] == "/"
        session = await client.session()
        assert (session.user, session.auth_method) == (user.pk, "auth_webauthn_pwl")

    async def test_a35_where_none_is_asked_for_a_passkey_is_no_answer(self, world: World, house: Default) -> None:
        await world.user()
        key = soft_key()
        await make(world, key)
        client = Client(world)
        shown = await client.get()
        answer = key.get({"challenge": "AAAA", "rpId": "id.example.org"})
        told = await client.answer(component=shown["component"], passkey=answer)
        assert list(told["response_errors"]) == ["uid_field"]

    async def test_names_and_passwords_are_taken_beside_it(self, world: World) -> None:
        house = default_flow(world)
        world.change(_with(house.identification, webauthn_stage=str(house.mfa.pk)))
        await world.user()
        client = Client(world)
        assert (await client.sign_in(password="wrong"))["component"] == "ak-stage-password"
        assert (await client.answer(component="ak-stage-password", password=PASSWORD))["to"] == "/"


def _with(stage: Any, **values: Any) -> Any:
    return dataclasses.replace(stage, **values)


class Statements:
    """Counts the statements that a database is given, and the transactions and reads they come in."""

    def __init__(self, database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trips = self.statements = 0
        fetch, read, write = database.fetch, database.read, database.write

        async def fetched(*arguments: Any) -> Any:
            self.trips += 1
            self.statements += 1
            return await fetch(*arguments)

        for name, method in (("read", read), ("write", write)):
            monkeypatch.setattr(database, name, self._counted(method))
        monkeypatch.setattr(database, "fetch", fetched)

    def _counted(self, method: Any) -> Any:
        async def counted(batch: Any) -> Any:
            self.trips += 1
            return await method(lambda: self._batch(batch()))

        return counted

    def _batch(self, batch: Any) -> Any:
        answer = None
        while True:
            try:
                statement = batch.send(answer)
            except StopIteration as end:
                return end.value
            self.statements += 1
            answer = yield statement


async def test_what_a_sign_in_with_a_passkey_costs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    house = default_flow(world)
    world.change(_with(house.identification, webauthn_stage=str(house.mfa.pk)))
    setup_flow(world)
    await world.user()
    key = soft_key()
    await make(world, key)
    client = Client(world)
    shown = await client.get()
    cost = Statements(world.database, monkeypatch)
    assert (await client.get())["passkey_challenge"] == shown["passkey_challenge"]
    assert (cost.trips, cost.statements) == (2, 2)  # session, plan: showing it again writes nothing
    cost.trips = cost.statements = 0
    answer = key.get(shown["passkey_challenge"])
    assert (await client.answer(component=shown["component"], passkey=answer))["to"] == "/"
    assert (cost.trips, cost.statements) in {(9, 18), (10, 19)}  # the user may be known from the request before


async def test_a35_the_related_origins_are_the_named_hosts(world: World) -> None:
    world.change(Host(pk=pk(), host="door.example:8443"), Host(pk=pk(), host="192.0.2.7"))
    client = Client(world)
    response = await client.send("GET", "/.well-known/webauthn", headers={"origin": "https://evil.example"})
    assert response.status == 200
    assert b'{"origins":["https://door.example:8443","https://id.example.org"]}' in response.body.replace(b" ", b"")
