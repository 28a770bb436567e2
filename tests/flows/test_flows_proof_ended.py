"""A72: a sign-in that waits behind a proof ends when the password, factors, sessions or the account change since."""

from __future__ import annotations

import base64
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flows_world import NOW, PASSWORD, SECOND, SLUG, Client, World, default_flow, pk

from ostiary.directory.resources import USER
from ostiary.events.event import event
from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.run.outcome import Challenge
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.proto import totp
from ostiary.seal import Secret
from ostiary.sessions.cookie import COOKIE
from ostiary.store.workspace.commit import run
from ostiary.store.workspace.editor import Workspace
from ostiary.web.request import Request

NEW = "another horse battery"


async def edit(world: World, user: Any, **values: object) -> None:
    async def work(workspace: Workspace) -> None:
        found = await workspace.get(USER, user.pk)
        assert found is not None
        await workspace.update(found, values)

    await world.services.editor.edit(work, author="test", message="", now=world.now)


async def set_password(world: World, user: Any) -> None:
    await world.accounts.set_password(user.username, Secret(NEW), now=world.now)


async def revoke(world: World, user: Any) -> None:
    await world.accounts.revoke(user.username, now=world.now)


async def deactivate(world: World, user: Any) -> None:
    await edit(world, user, is_active=False)


async def rename(world: World, user: Any) -> None:
    await edit(world, user, username="another-name")


async def write_password(world: World, user: Any) -> None:
    await edit(world, user, password=Secret(NEW))


async def delete(world: World, user: Any) -> None:
    async def work(workspace: Workspace) -> None:
        found = await workspace.get(USER, user.pk)
        assert found is not None
        await workspace.delete(found)

    await world.services.editor.edit(work, author="test", message="", now=world.now)


async def lose_factor(world: World, user: Any) -> None:
    device = (await world.devices.confirmed(user.pk))[0]
    told = event("model_deleted", user=None, app="test", context={}, client_ip=None, now=world.now)
    await world.devices.delete(user.pk, device, audit_event=told)


CHANGES = (set_password, revoke, deactivate, rename, write_password, delete, lose_factor)
Change = Callable[[World, Any], Awaitable[None]]


async def with_totp(world: World, user: Any, name: str = "x") -> Secret:
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name=name, key=key, now=NOW)])
    )
    return key


def code(key: Secret, world: World) -> str:
    return totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(world.now), 6)


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
async def test_a72_what_waits_at_the_second_factor_ends(
    world: World, client: Client, change: Change, caplog: pytest.LogCaptureFixture
) -> None:
    default_flow(world)
    user = await world.user()
    key = await with_totp(world, user)
    assert (await client.sign_in())["component"] == "ak-stage-authenticator-validate"
    world.now += 60 * SECOND
    await change(world, user)
    with caplog.at_level(logging.WARNING, "ostiary.signin"):
        shown = await client.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "ak-stage-identification"
    assert (await client.session()).user is None
    told = await world.engine.challenge(Request(), await client.session(), SLUG, now=world.now)
    assert isinstance(told, Challenge)
    assert [one.code for one in told.response_errors["non_field_errors"]] == ["proof_ended"]
    assert "reason=proof_ended" in caplog.text


@pytest.mark.parametrize("change", [set_password, revoke], ids=lambda one: one.__name__)
async def test_a72_nobody_enrols_a_factor_on_an_old_proof(world: World, client: Client, change: Change) -> None:
    default = default_flow(world)
    world.change(
        dataclasses.replace(
            default.mfa, not_configured_action="configure", configuration_stages=(str(default.totp.pk),)
        )
    )
    user = await world.user()
    shown = await client.sign_in()
    assert shown["component"] == "ak-stage-authenticator-totp"
    key = Secret(_secret_of(shown["config_url"]).hex())
    await change(world, user)
    shown = await client.answer(component="ak-stage-authenticator-totp", code=code(key, world))
    assert shown["component"] == "ak-stage-identification"
    assert await world.devices.of_user(user.pk) == []


async def test_a72_a_factor_added_elsewhere_ends_what_waits_and_not_the_flow_that_added_it(world: World) -> None:
    default = default_flow(world)
    world.change(
        dataclasses.replace(
            default.mfa, not_configured_action="configure", configuration_stages=(str(default.totp.pk),)
        )
    )
    await world.user()
    owner, thief = Client(world), Client(world)
    first, second = await owner.sign_in(), await thief.sign_in()
    assert first["component"] == second["component"] == "ak-stage-authenticator-totp"
    mine = Secret(_secret_of(first["config_url"]).hex())
    done = await owner.answer(component="ak-stage-authenticator-totp", code=code(mine, world))
    assert done["component"] == "xak-flow-redirect"
    assert (await owner.session()).user is not None
    theirs = Secret(_secret_of(second["config_url"]).hex())
    shown = await thief.answer(component="ak-stage-authenticator-totp", code=code(theirs, world))
    assert shown["component"] == "ak-stage-identification"
    assert (await thief.session()).user is None


@pytest.mark.parametrize("change", [set_password, revoke, deactivate, rename], ids=lambda one: one.__name__)
async def test_a72_a_change_between_reading_and_commit_is_noticed(
    world: World, client: Client, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look is the statement that signs in: between the first one and the commit somebody is quick."""
    default_flow(world)
    user = await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    whole = UserLoginStage.open

    async def late(self: UserLoginStage, stage_context: Any) -> Any:
        verdict = await whole(self, stage_context)
        monkeypatch.undo()
        await change(world, user)
        return verdict

    monkeypatch.setattr(UserLoginStage, "open", late)
    shown = await client.answer(component="ak-stage-password", password=PASSWORD)
    assert shown["component"] == "ak-stage-identification"
    assert (await client.session()).user is None


async def test_a72_a_password_that_changed_while_it_was_checked_proves_nothing(
    world: World, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    default_flow(world)
    user = await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    verify = world.services.passwords.verify

    async def slow(*asked: Any) -> Any:
        found = await verify(*asked)
        monkeypatch.undo()
        await set_password(world, user)
        return found

    monkeypatch.setattr(world.services.passwords, "verify", slow)
    shown = await client.answer(component="ak-stage-password", password=PASSWORD)
    assert shown["component"] == "ak-stage-identification"
    assert (await client.session()).user is None


@pytest.mark.parametrize("change", [set_password, revoke], ids=lambda one: one.__name__)
async def test_a72_a_waiting_recovery_does_not_write_a_password(world: World, client: Client, change: Change) -> None:
    """What a recovery link proved is kept in what the plan began with: it does not begin again with that."""
    password = Prompt(pk=pk(), name="p", field_key="password", type="password", label="Password", order=0)
    ask = PromptStage(pk=pk(), name="ask", fields=(str(password.pk),))
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="never_create")
    world.change(password, ask, write)
    flow = world.flow("recover", [ask, write, UserLoginStage(pk=pk(), name="login")])
    user = await world.user()
    client.slug = "recover"
    await client.send("GET", client.path)
    context = {"pending_user": {"pk": user.pk}, "user_backend": "recovery", "auth_method": "recovery"}
    await world.engine.begin(
        Request(), await client.session(), flow, context=context, next_url="/", proof=user, now=world.now
    )
    assert (await client.get())["component"] == "ak-stage-prompt"
    await change(world, user)
    before = (await world.users.get(user.pk)).password  # type: ignore[union-attr]
    assert (await client.answer(component="ak-stage-prompt", password="a thief's own pass"))["component"] != (
        "xak-flow-redirect"
    )
    await client.answer(component="ak-stage-prompt", password="a thief's own pass")
    after = await world.users.get(user.pk)
    assert after is not None
    assert after.password == before
    assert (await client.session()).user is None


@pytest.mark.parametrize("change", [set_password, revoke, deactivate, delete], ids=lambda one: one.__name__)
async def test_a72_a_consent_that_waits_ends_with_its_session(world: World, client: Client, change: Change) -> None:
    default_flow(world)
    user = await world.user()
    consent = ConsentStage(pk=pk(), name="consent", mode="always_require")
    world.flow("consent", [consent], designation="authorization")
    await client.sign_in()
    client.slug = "consent"
    shown = await client.get()
    assert shown["component"] == "ak-stage-consent"
    await change(world, user)
    response = await client.post(component="ak-stage-consent", token=shown["token"])
    assert (await client.session()) is None or (await client.session()).user is None
    assert b"xak-flow-redirect" not in response.body


async def test_a72_a_step_up_that_waits_ends_with_the_factor(world: World, client: Client) -> None:
    default = default_flow(world)
    user = await world.user()
    assert (await client.sign_in())["component"] == "xak-flow-redirect"
    consent = ConsentStage(pk=pk(), name="consent", mode="always_require")
    world.flow("step-up", [default.mfa, consent], designation="authorization")
    key = await with_totp(world, user)
    client.slug = "step-up"
    await client.get()
    shown = await client.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "ak-stage-consent"
    await lose_factor(world, user)
    await with_totp(world, user, "another")
    shown = await client.answer(component="ak-stage-consent", token=shown["token"])
    assert shown["component"] == "ak-stage-authenticator-validate"


async def test_a_plan_goes_on_when_nothing_of_the_account_changed(world: World, client: Client) -> None:
    """Other people's changes, other fields, a failure and a sign-in elsewhere end nothing."""
    default_flow(world)
    user, other = await world.user(), await world.user("other")
    key = await with_totp(world, user)
    assert (await client.sign_in())["component"] == "ak-stage-authenticator-validate"
    await set_password(world, other)
    await edit(world, user, name="Jo Example", attributes={"a": 1})
    elsewhere = Client(world)
    await elsewhere.sign_in(password="wrong")
    world.now += 60 * SECOND
    shown = await client.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "xak-flow-redirect"


async def test_a72_a_remembered_second_factor_ends_with_a_revoke(world: World) -> None:
    default_flow(world, last_auth_threshold="hours=8")
    user = await world.user()
    key = await with_totp(world, user)
    client = Client(world)
    await client.sign_in()
    world.now += 60 * SECOND
    done = await client.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert done["component"] == "xak-flow-redirect"
    await revoke(world, user)
    assert (await client.sign_in())["component"] == "ak-stage-authenticator-validate"


async def end_one(world: World, user: Any) -> None:
    """As an administrator does with a session that somebody does not know."""
    living = await world.sessions.list(user.pk, world.now)
    assert await world.sessions.end_one(user.pk, living[0].pk, now=world.now)


async def end_all(world: World, user: Any) -> None:
    await world.sessions.end_all(user.pk, now=world.now)


@pytest.mark.parametrize("end", [end_one, end_all], ids=lambda one: one.__name__)
async def test_a72_ending_sessions_ends_what_waits(world: World, client: Client, end: Change) -> None:
    """Nobody who ends a session means to leave a sign-in halfway in."""
    default_flow(world)
    user = await world.user()
    await Client(world).sign_in()
    key = await with_totp(world, user)
    assert (await client.sign_in())["component"] == "ak-stage-authenticator-validate"
    world.now += 60 * SECOND
    await end(world, user)
    shown = await client.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "ak-stage-identification"
    assert (await client.session()).user is None


async def test_a72_a_sign_in_that_ends_the_other_sessions_ends_what_waits_and_not_itself(world: World) -> None:
    """`terminate_other_sessions`: another browser waits at the second factor. Stages after the login still come."""
    default = default_flow(world)
    last = ConsentStage(pk=pk(), name="last", mode="always_require")
    login = dataclasses.replace(default.login, terminate_other_sessions=True)
    world.change(login)
    world.flow("whole", [default.identification, default.password, default.mfa, login, last])
    user = await world.user()
    key = await with_totp(world, user)
    owner, thief, signed_in = Client(world, slug="whole"), Client(world), Client(world)
    await signed_in.sign_in()
    assert (await signed_in.answer(component="ak-stage-authenticator-validate", code=code(key, world)))[
        "component"
    ] == "xak-flow-redirect"
    await thief.sign_in()
    await owner.sign_in()
    world.now += 60 * SECOND
    shown = await owner.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "ak-stage-consent"
    assert await signed_in.session() is None
    done = await owner.answer(component="ak-stage-consent", token=shown["token"])
    assert done["component"] == "xak-flow-redirect"
    assert (await owner.session()).user == user.pk
    world.now += 60 * SECOND
    shown = await thief.answer(component="ak-stage-authenticator-validate", code=code(key, world))
    assert shown["component"] == "ak-stage-identification"
    assert (await thief.session()).user is None


async def test_a_sign_in_that_ends_the_other_sessions_keeps_the_second_factor_of_its_browser(world: World) -> None:
    """The factor this browser remembers goes on; what another browser remembers ends with its session."""
    default = default_flow(world, last_auth_threshold="hours=8")
    world.change(dataclasses.replace(default.login, terminate_other_sessions=True))
    user = await world.user()
    key = await with_totp(world, user)
    mine, other = Client(world), Client(world)
    for one in (other, mine):
        world.now += 60 * SECOND
        assert (await one.sign_in())["component"] == "ak-stage-authenticator-validate"
        done = await one.answer(component="ak-stage-authenticator-validate", code=code(key, world))
        assert done["component"] == "xak-flow-redirect"
    for _ in range(2):
        del mine.cookies[COOKIE]
        assert (await mine.sign_in())["component"] == "xak-flow-redirect"
    assert (await other.sign_in())["component"] == "ak-stage-authenticator-validate"


def _secret_of(url: str) -> bytes:
    text = url.split("secret=")[1].split("&", maxsplit=1)[0]
    return base64.b32decode(text + "=" * (-len(text) % 8))
