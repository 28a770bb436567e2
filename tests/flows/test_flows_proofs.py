"""A30: a stage passes only on its own server-side proof; per stage: nothing, the wrong thing, again, out of order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from flows_world import NOW, PASSWORD, SECOND, SLUG, Client, World, default_flow, pk

from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.next_url import is_relative
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.run.outcome import Challenge, FlowRedirect, Passed
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.proto import totp
from ostiary.store.workspace.commit import run
from ostiary.web.request import Request

EVERYTHING = {
    "uid_field": "jo",
    "password": PASSWORD,
    "code": "123456",
    "token": "x",
    "remember_me": True,
    "selected_stage": "x",
    "to": "/",
    "webauthn": {},
    "duo": 1,
}


async def at(client: Client) -> str:
    return str((await client.get())["component"])


async def test_a30_nothing_is_judged_before_it_was_asked(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    for component in ("ak-stage-identification", "ak-stage-password", "ak-stage-user-login"):
        assert (await client.post(component=component, **EVERYTHING)).status == 302
    assert await at(client) == "ak-stage-identification"
    assert (await client.session()).user is None


async def test_a30_identification(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.get()
    for answer in ({}, {"uid_field": ""}, {"uid_field": None}, {"uid_field": ["jo"]}, {"uid_field": "x" * 300}):
        assert (await client.answer(**answer))["component"] == "ak-stage-identification"
    shown = await client.answer(component="ak-stage-password", **EVERYTHING)
    assert shown["component"] == "ak-stage-identification"
    assert list(shown["response_errors"]) == ["component"]


async def test_a30_password(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    for answer in ({}, {"password": ""}, {"password": None}, {"password": [PASSWORD]}, {"password": "x" * 2000}):
        assert (await client.answer(**answer))["component"] == "ak-stage-password"
    for component in ("ak-stage-identification", "ak-stage-user-login", "xak-flow-redirect", None, 5):
        assert (await client.answer(component=component, **EVERYTHING))["component"] == "ak-stage-password"
    assert (await client.session()).user is None


async def test_a30_authenticator_validate(world: World, client: Client) -> None:
    default = default_flow(world)
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    await client.sign_in()
    stages: list[dict[str, Any]] = [
        {},
        {"code": ""},
        {"code": None},
        {"code": 123456},
        {"selected_stage": str(default.login.pk)},
        {"selected_challenge": {"device_class": "static", "device_uid": "1", "challenge": {}}},
        {"webauthn": {}},
        {"duo": 1},
    ]
    for answer in stages:
        shown = await client.answer(component="ak-stage-authenticator-validate", **answer)
        assert shown["component"] == "ak-stage-authenticator-validate"
    assert (await client.answer(component="ak-stage-user-login", remember_me=True))[
        "component"
    ] != "ak-stage-user-login"
    assert (await client.session()).user is None


async def test_a30_the_choice_is_one_of_those_offered(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    world.change(replace(default.mfa, configuration_stages=(str(default.totp.pk), str(default.static.pk))))
    await world.user()
    await client.sign_in()
    for chosen in ("", "x", str(default.login.pk), str(default.mfa.pk)):
        shown = await client.answer(component="ak-stage-authenticator-validate", selected_stage=chosen)
        assert shown["component"] == "ak-stage-authenticator-validate"
    assert (await client.session()).user is None


async def test_a30_authenticator_totp(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    world.change(replace(default.mfa, configuration_stages=(str(default.totp.pk),)))
    await world.user()
    shown = await client.sign_in()
    assert shown["component"] == "ak-stage-authenticator-totp"
    for answer in ({}, {"code": ""}, {"code": None}, {"code": "abcdef"}, {"code": "1234567"}):
        shown = await client.answer(component="ak-stage-authenticator-totp", **answer)
        assert shown["component"] == "ak-stage-authenticator-totp"
    shown = await client.answer(component="ak-stage-authenticator-static")
    assert shown["component"] == "ak-stage-authenticator-totp"
    assert not await world.database.fetch("SELECT 1 FROM directory_totp")


async def test_a30_authenticator_static(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    world.change(replace(default.mfa, configuration_stages=(str(default.static.pk),)))
    await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    await client.post(component="ak-stage-password", password=PASSWORD)
    # The codes were not seen yet: what confirms them is not heard.
    await client.post(component="ak-stage-authenticator-static")
    assert not await world.database.fetch("SELECT 1 FROM directory_static")
    await client.get()
    assert (await client.answer(component="ak-stage-password"))["component"] == "ak-stage-authenticator-static"
    assert not await world.database.fetch("SELECT 1 FROM directory_static")
    responses = await asyncio.gather(*(client.post(component="ak-stage-authenticator-static") for _ in range(3)))
    assert {one.status for one in responses} == {302}
    assert len(await world.database.fetch("SELECT 1 FROM directory_static")) == 1


async def test_a30_enrolling_wants_a_fresh_sign_in(world: World, client: Client) -> None:
    default = default_flow(world)
    world.flow("totp-setup", [default.totp], designation="stage_configuration", authentication="require_authenticated")
    await world.user()
    await client.sign_in()
    client.slug = "totp-setup"
    assert await at(client) == "ak-stage-authenticator-totp"
    world.now += 2 * 3600 * SECOND
    assert await at(client) == "ak-stage-access-denied"


async def test_a30_user_login_refuses_when_nobody_was_proven(world: World, client: Client) -> None:
    login = UserLoginStage(pk=pk(), name="only login")
    world.flow("bare", [login])
    client.slug = "bare"
    assert (await client.get())["error_message"] == "There is nobody to sign in."
    await client.post(component="ak-stage-user-login", remember_me=True)
    assert (await client.session()).user is None


async def test_a30_user_login_does_not_take_whoever_is_signed_in(world: World, client: Client) -> None:
    default_flow(world)
    world.flow("bare", [UserLoginStage(pk=pk(), name="only login")])
    await world.user()
    await client.sign_in()
    before = await client.session()
    client.slug = "bare"
    assert await at(client) == "ak-stage-access-denied"
    assert (await client.session()).key == before.key


async def test_a30_user_login_asks_and_wants_an_answer(world: World, client: Client) -> None:
    default = default_flow(world)
    world.change(replace(default.login, remember_me_offset="days=30"))
    await world.user()
    assert (await client.sign_in())["component"] == "ak-stage-user-login"
    for answer in ({}, {"remember_me": "true"}, {"remember_me": None}):
        shown = await client.answer(component="ak-stage-user-login", **answer)
        assert shown["component"] == "ak-stage-user-login"
    assert (await client.session()).user is None
    assert (await client.answer(component="ak-stage-user-login", remember_me=True))["to"] == "/"
    assert (await client.session()).persistent is True


async def test_a30_an_inactive_user_is_not_signed_in_by_any_flow(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    await client.post(component="ak-stage-password", password=PASSWORD)
    from ostiary.store.database import Statement

    off = Statement("UPDATE directory_user SET is_active = 0 WHERE pk = ?", (user.pk,))
    await world.database.write(lambda: run([off]))
    assert (await client.get())["component"] == "ak-stage-identification", "the sign-in ended with the account"
    assert (await client.session()).user is None


async def test_a30_deny_cannot_be_answered(world: World, client: Client) -> None:
    default = default_flow(world)
    world.flow("denied", [DenyStage(pk=pk(), name="no", deny_message="Not today."), default.login])
    client.slug = "denied"
    assert (await client.get())["error_message"] == "Not today."
    await client.post(component="ak-stage-access-denied", **EVERYTHING)
    assert (await client.get())["error_message"] == "Not today."


async def test_a30_prompt_needs_its_answers(world: World, client: Client) -> None:
    fields = [
        Prompt(pk=pk(), name="a", field_key="a", label="A", type="text"),
        Prompt(pk=pk(), name="h", field_key="h", label="H", type="hidden", initial_value="server"),
    ]
    world.change(*fields)
    stage = PromptStage(pk=pk(), name="ask", fields=tuple(str(one.pk) for one in fields))
    world.flow("asking", [stage, DenyStage(pk=pk(), name="end")])
    client.slug = "asking"
    await client.get()
    for answer in ({}, {"a": ""}, {"a": "  "}, {"a": ["x"]}, {"a": "x\0"}, {"h": "client"}):
        shown = await client.answer(component="ak-stage-prompt", **answer)
        assert shown["component"] == "ak-stage-prompt"
        assert list(shown["response_errors"]) == ["a"]
    assert (await client.answer(component="ak-stage-prompt", a="x"))["component"] == "ak-stage-access-denied"


async def test_a30_consent_echoes_the_token_of_this_showing(world: World, client: Client) -> None:
    default_flow(world)
    flow = world.flow(
        "consent", [ConsentStage(pk=pk(), name="c", mode="always_require")], authentication="require_authenticated"
    )
    await world.user()
    await client.sign_in()
    client.slug = flow.slug
    shown = await client.get()
    for token in ("", "x", shown["token"][:-1], shown["token"] + "x", None):
        assert (await client.answer(component="ak-stage-consent", token=token))["component"] == "ak-stage-consent"
    other = Client(world, cookies=dict(client.cookies), slug=flow.slug)
    assert (await other.get())["token"] == shown["token"]
    assert (await client.answer(component="ak-stage-consent", token=shown["token"]))["to"] == "/"
    fresh = await client.get()
    assert fresh["token"] != shown["token"]
    assert (await client.answer(component="ak-stage-consent", token=shown["token"]))["component"] == "ak-stage-consent"


async def test_a30_consent_is_for_who_is_signed_in(world: World, client: Client) -> None:
    world.flow("consent", [ConsentStage(pk=pk(), name="c")])
    client.slug = "consent"
    assert await at(client) == "ak-stage-access-denied"


async def test_a30_logout_ends_the_session_and_the_rest_goes_on(world: World, client: Client) -> None:
    default_flow(world)
    world.flow("bye", [UserLogoutStage(pk=pk(), name="out")], designation="invalidation")
    await world.user()
    await client.sign_in()
    before = await client.session()
    client.slug = "bye"
    assert await client.get() == {"component": "xak-flow-redirect", "to": "/"}
    after = await client.session()
    assert after.user is None
    assert after.key != before.key
    assert len(await world.events("logout")) == 1
    assert not await world.database.fetch("SELECT 1 FROM session WHERE user_pk IS NOT NULL")


async def test_a30_two_tabs_cannot_answer_one_stage_twice(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.get()
    both = [client.post(component="ak-stage-identification", uid_field=name) for name in ("jo", "al")]
    assert [one.status for one in await asyncio.gather(*both)] == [302, 302]
    shown = await client.get()
    assert shown["component"] == "ak-stage-password"


async def test_a30_a_form_with_an_old_ticket_is_not_looked_at(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    await client.get()
    request = Request(
        headers={"cookie": f"authentik_session={client.cookies['authentik_session']}"}, host="id.example.org"
    )
    session = await world.sessions.ensure(request, world.now)
    first = await world.engine.challenge(request, session, SLUG, now=world.now)
    assert isinstance(first, Challenge)

    async def respond(ticket: str, **answer: object) -> object:
        return await world.engine.submit(request, session, SLUG, answer, ticket=ticket, now=world.now)

    assert await respond(first.ticket, uid_field="jo") == Passed()
    assert await respond(first.ticket, uid_field="al") == Passed()
    second = await world.engine.challenge(request, session, SLUG, now=world.now)
    assert isinstance(second, Challenge)
    assert (second.component, second.fields["pending_user"]) == ("ak-stage-password", "jo")
    assert second.ticket != first.ticket
    assert await respond(first.ticket, password=PASSWORD) == Passed()
    assert await world.engine.challenge(request, session, SLUG, now=world.now) == second
    wrong = await respond(second.ticket, password="no")
    assert isinstance(wrong, Challenge)
    assert wrong.ticket == second.ticket
    kept = await world.engine.challenge(request, session, SLUG, now=world.now)
    assert isinstance(kept, Challenge)
    assert kept.response_errors == wrong.response_errors
    ended = await respond(second.ticket, password=PASSWORD)
    assert isinstance(ended, FlowRedirect)
    assert ended.to == "/"
    assert user


async def test_a40_a_plan_does_not_survive_a_change_of_person(world: World, client: Client) -> None:
    default = default_flow(world)
    world.flow("totp-setup", [default.totp], designation="stage_configuration", authentication="require_authenticated")
    await world.user()
    await world.user("al")
    await client.sign_in()
    client.slug = "totp-setup"
    mine = (await client.get())["config_url"]
    client.slug = SLUG
    await client.sign_in("al")
    client.slug = "totp-setup"
    theirs = (await client.get())["config_url"]
    assert "jo" in mine
    assert "al" in theirs
    assert mine.partition("secret=")[2] != theirs.partition("secret=")[2]


async def test_a40_a_foreign_site_cannot_answer(world: World, client: Client) -> None:
    default_flow(world)
    await client.get()
    for headers in (
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site"},
    ):
        response = await client.send("POST", client.path, {"uid_field": "jo"}, headers=headers)
        assert response.status == 403
    form = await client.send(
        "POST", client.path, {"uid_field": "jo"}, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert form.status == 415
    assert (await client.send("POST", client.path, [1])).status == 400
    assert await at(client) == "ak-stage-identification"


async def test_an_unknown_flow_is_404(world: World, client: Client) -> None:
    client.slug = "no-such-flow"
    assert (await client.send("GET", client.path)).status == 404
    assert (await client.post(component="x")).status == 404


@pytest.mark.parametrize(("action", "kept"), [("restart", False), ("restart_with_context", True)])
async def test_a_wrong_answer_can_restart_the_flow(world: World, client: Client, action: Any, kept: bool) -> None:
    default = default_flow(world)
    binding = world.binding(default.flow, default.password)
    world.change(replace(binding, invalid_response_action=action))
    await world.user()
    shown = await client.sign_in(password="wrong")
    assert shown["component"] == "ak-stage-identification"
    assert (shown["pending_user_identifier"] == "jo") is kept
    assert len(await world.events("login_failed")) == 1


async def test_a_stage_that_vanished_starts_the_flow_again(world: World, client: Client) -> None:
    default = default_flow(world)
    await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    other = replace(default.password, pk=pk(), name="other")
    world.drop(default.password)
    world.change(other, replace(world.binding(default.flow, default.password), stage=str(other.pk)))
    assert await at(client) == "ak-stage-identification"


async def test_an_expired_plan_starts_again_politely(world: World, client: Client) -> None:
    default_flow(world)
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    world.now += 5 * 3600 * SECOND
    assert (await client.post(component="ak-stage-password", password="x")).status == 302
    assert await at(client) == "ak-stage-identification"


async def test_a30_a_code_is_not_heard_before_it_was_asked_for(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    assert (await client.post(component="ak-stage-password", password=PASSWORD)).status == 302
    code = totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(world.now), 6)
    assert (await client.post(component="ak-stage-authenticator-validate", code=code)).status == 302
    assert await at(client) == "ak-stage-authenticator-validate"
    assert (await client.answer(component="ak-stage-authenticator-validate", code=code))["to"] == "/"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("/", True),
        ("/if/user/?a=https://x/#b", True),
        ("", False),
        ("if/user/", False),
        ("?a=1", False),
        ("//x", False),
        ("/\\x", False),
        ("\\\\x", False),
        ("/\t/x", False),
        ("/\n", False),
        ("/a b", False),
        ("/\x7f", False),
        ("https:/x", False),
        ("javascript:alert(1)", False),
        ("/" + "x" * 33_000, False),
    ],
)
def test_a40_what_counts_as_a_path_of_ours(url: str, expected: bool) -> None:
    assert is_relative(url) is expected
