from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from flows_world import NOW, PASSWORD, SECOND, SLUG, Client, World, default_flow

from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.proto import totp
from ostiary.resource import codec
from ostiary.sessions.cookie import COOKIE
from ostiary.store.workspace.commit import run


async def test_the_default_flow_signs_in_and_tells_it(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    first = await client.get()
    assert first["component"] == "ak-stage-identification"
    assert first["flow_info"] == {
        "title": SLUG,
        "layout": "stacked",
        "cancel_url": "/flows/-/cancel/",
        "background": "",
        "background_themed_urls": None,
    }
    assert (first["captcha_stage"], first["passkey_challenge"]) == (None, None)
    anonymous = client.cookies[COOKIE]
    second = await client.answer(component="ak-stage-identification", uid_field="JO@example.org")
    assert second["component"] == "ak-stage-password"
    assert second["pending_user"] == "JO@example.org"
    assert await client.answer(component="ak-stage-password", password=PASSWORD) == {
        "component": "xak-flow-redirect",
        "to": "/",
    }
    session = await client.session()
    assert (session.user, session.auth_method, session.amr) == (user.pk, "password", ("pwd",))
    assert client.cookies[COOKIE] != anonymous
    assert [one["who"]["pk"] for one in await world.events("login")] == [user.pk]
    assert (await world.users.get(user.pk)).last_login == NOW  # type: ignore[union-attr]
    assert not await world.database.fetch("SELECT 1 FROM flow_tab_plan")


async def test_a_passed_stage_answers_302_to_the_same_address(world: World, client: Client) -> None:
    default_flow(world)
    client.query = "next=/if/user/"
    await client.get()
    response = await client.post(component="ak-stage-identification", uid_field="jo")
    assert response.status == 302
    assert response.header("location") == f"/api/v3/flows/executor/{SLUG}/?query=next%3D%2Fif%2Fuser%2F"


async def test_a_wrong_password_is_told_as_authentik_does(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    shown = await client.sign_in(password="wrong")
    assert shown["component"] == "ak-stage-password"
    assert shown["response_errors"] == {"password": [{"string": "Invalid password", "code": "invalid"}]}
    assert "response_errors" not in await client.get()
    assert len(await world.events("login_failed")) == 1
    assert (await client.answer(component="ak-stage-password", password=PASSWORD))["to"] == "/"


async def test_sign_ins_and_failures_are_counted_by_method_and_reason(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    await client.answer(component="ak-stage-password", password="wrong")
    await client.answer(component="ak-stage-password", password=PASSWORD)
    other = Client(world)
    await other.get()
    await other.answer(component="ak-stage-identification", uid_field="nobody")
    rooms, services = world.core.rooms, world.program.built.services
    values = {measure.name: measure.read() for room in rooms for measure in room.measures(services)
              if measure.name.startswith("ostiary_sign_in")}  # fmt: skip
    assert values == {
        "ostiary_sign_ins": {("password",): 1},
        "ostiary_sign_in_failures": {("password",): 1, ("unknown_user",): 1},
    }


async def test_a42_an_unknown_user_reads_the_same(world: World) -> None:
    default_flow(world)
    await world.user()
    seen = []
    for name in ("jo", "nobody"):
        client = Client(world)
        await client.get()
        steps = [await client.answer(component="ak-stage-identification", uid_field=name)]
        steps.append(await client.answer(component="ak-stage-password", password="wrong"))
        for step in steps:
            step.pop("pending_user"), step.pop("pending_user_avatar")
        seen.append(steps)
    assert seen[0] == seen[1]
    assert len(await world.events("login_failed")) == 1


async def test_a73_only_names_of_people_are_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    default_flow(world)
    await world.user()
    with caplog.at_level(logging.DEBUG):
        for name in ("jo", "JO@example.org", "my secret pass", "hunter2hunter2"):
            client = Client(world)
            await client.get()
            await client.answer(component="ak-stage-identification", uid_field=name)
            for _ in range(2):
                await client.answer(component="ak-stage-password", password="wrong")
    assert "hunter2" not in caplog.text
    assert "secret" not in caplog.text
    lines = [record.getMessage() for record in caplog.records if record.name == "ostiary.signin"]
    assert [line.split()[2] for line in lines] == ["user=jo"] * 4 + ["user="] * 6


async def test_a42_an_inactive_user_reads_the_same(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    await world.database.write(
        lambda: run([_statement("UPDATE directory_user SET is_active = 0 WHERE pk = ?", user.pk)])
    )
    shown = await client.sign_in()
    assert shown["response_errors"]["password"][0]["string"] == "Invalid password"
    assert (await client.session()).user is None


def _statement(sql: str, *values: Any) -> Any:
    from ostiary.store.database import Statement

    return Statement(sql, values)


async def test_after_too_many_wrong_passwords_the_flow_is_denied(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.sign_in(password="wrong")
    for _ in range(3):
        shown = await client.answer(component="ak-stage-password", password="wrong")
        assert shown["component"] == "ak-stage-password"
    shown = await client.answer(component="ak-stage-password", password="wrong")
    assert shown["component"] == "ak-stage-access-denied"
    assert (await client.get())["component"] == "ak-stage-identification"


async def test_the_throttle_answers_429_before_any_password_is_checked(world: World) -> None:
    default_flow(world)
    await world.user()
    for _ in range(2):
        client = Client(world)
        await client.sign_in(password="wrong")
        for _ in range(4):
            await client.answer(component="ak-stage-password", password="wrong")
    client = Client(world, address="192.0.2.99")
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    response = await client.post(component="ak-stage-password", password=PASSWORD)
    assert response.status == 429
    assert int(response.header("retry-after") or 0) > 0
    world.now += 60 * SECOND
    assert (await client.answer(component="ak-stage-password", password=PASSWORD))["to"] == "/"


async def test_one_page_takes_name_and_password_together(world: World, client: Client) -> None:
    default = default_flow(world)
    from dataclasses import replace

    world.change(replace(default.identification, password_stage=str(default.password.pk)))
    await world.user()
    shown = await client.get()
    assert shown["password_fields"] is True
    wrong = await client.answer(component="ak-stage-identification", uid_field="jo", password="no")
    assert list(wrong["response_errors"]) == ["non_field_errors"]
    missing = await client.answer(component="ak-stage-identification", uid_field="jo")
    assert list(missing["response_errors"]) == ["password"]
    done = await client.answer(component="ak-stage-identification", uid_field="jo", password=PASSWORD)
    assert done == {"component": "xak-flow-redirect", "to": "/"}


@pytest.mark.parametrize(
    ("query", "to"),
    [
        ("next=/if/user/%3Fa%3D1", "/if/user/?a=1"),
        ("next=https://evil.example/", None),
        ("next=//evil.example/", None),
        ("next=/%5Cevil.example/", None),
        ("next=/%09/evil.example/", None),
        ("next=javascript:alert(1)", None),
        ("next=", "/"),
    ],
)
async def test_a40_next_is_a_path_of_ours(small_world: World, query: str, to: str | None) -> None:
    default_flow(small_world)
    await small_world.user()
    client = Client(small_world, query=query)
    shown = await client.sign_in()
    if to is None:
        assert (shown["component"], shown["error_message"]) == ("ak-stage-access-denied", "Invalid next URL")
    else:
        assert shown == {"component": "xak-flow-redirect", "to": to}


async def totp_code(config_url: str, now: int) -> str:
    import base64
    from urllib.parse import parse_qs, urlsplit

    secret = parse_qs(urlsplit(config_url).query)["secret"][0]
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return totp.hotp(key, totp.counter_at(now), 6)


async def test_somebody_without_a_factor_enrols_in_the_middle_and_then_uses_it(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    from dataclasses import replace

    stages = (str(default.totp.pk), str(default.static.pk))
    world.change(replace(default.mfa, configuration_stages=stages))
    world.change(replace(default.totp, friendly_name="Pocket phone"))
    await world.user()
    shown = await client.sign_in()
    assert shown["component"] == "ak-stage-authenticator-validate"
    assert shown["device_challenges"] == []
    assert [one["pk"] for one in shown["configuration_stages"]] == list(stages)
    assert [(one["name"], one["verbose_name"]) for one in shown["configuration_stages"]] == [
        ("Pocket phone", "TOTP Authenticator"),
        ("static", "Static Authenticator"),
    ]
    shown = await client.answer(component="ak-stage-authenticator-validate", selected_stage=stages[0])
    assert shown["component"] == "ak-stage-authenticator-totp"
    assert shown["config_url"] == (await client.get())["config_url"]
    code = await totp_code(shown["config_url"], world.now)
    assert (await client.answer(component="ak-stage-authenticator-totp", code="000000"))["response_errors"]["code"]
    assert (await client.answer(component="ak-stage-authenticator-totp", code=code))["to"] == "/"
    session = await client.session()
    assert session.amr == ("pwd",), "a device that was set up in this flow has proved nothing yet"

    again = Client(world)
    asked = await again.sign_in()
    assert [one["device_class"] for one in asked["device_challenges"]] == ["totp"]
    replayed = await again.answer(component="ak-stage-authenticator-validate", code=code)
    assert replayed["response_errors"]["code"]
    world.now += 60 * SECOND
    code = await totp_code(shown["config_url"], world.now)
    assert (await again.answer(component="ak-stage-authenticator-validate", code=code))["to"] == "/"
    assert (await again.session()).amr == ("pwd", "mfa")


async def test_a34_wrong_codes_make_the_device_wait(world: World, client: Client) -> None:
    default_flow(world)
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    await client.sign_in()
    assert (await client.answer(component="ak-stage-authenticator-validate", code="000000"))["response_errors"]
    code = totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(world.now), 6)
    for _ in range(3):
        shown = await client.answer(component="ak-stage-authenticator-validate", code=code)
        assert shown["component"] == "ak-stage-authenticator-validate"
        assert shown["response_errors"]["code"][0]["code"] == "throttled"
    world.now += 5 * SECOND
    assert (await client.answer(component="ak-stage-authenticator-validate", code=code))["to"] == "/"


async def test_a34_one_code_in_parallel_signs_in_once(world: World) -> None:
    default_flow(world)
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    clients = [Client(world) for _ in range(4)]
    for one in clients:
        await one.sign_in()
    code = totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(world.now), 6)
    await asyncio.gather(*(one.post(component="ak-stage-authenticator-validate", code=code) for one in clients))
    for one in clients:
        await one.get()
    sessions = [await one.session() for one in clients]
    assert [one.user for one in sessions].count(user.pk) == 1


async def test_a36_who_has_a_device_cannot_choose_to_set_up_another(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    from dataclasses import replace

    world.change(replace(default.mfa, configuration_stages=(str(default.totp.pk), str(default.static.pk))))
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    await client.sign_in()
    shown = await client.answer(component="ak-stage-authenticator-validate", selected_stage=str(default.static.pk))
    assert shown["component"] == "ak-stage-authenticator-validate"
    assert shown["response_errors"]["code"]


async def test_static_codes_are_shown_once_and_hold_once(world: World, client: Client) -> None:
    default = default_flow(world, not_configured_action="configure")
    from dataclasses import replace

    world.change(replace(default.mfa, configuration_stages=(str(default.static.pk),)))
    await world.user()
    shown = await client.sign_in()
    assert shown["component"] == "ak-stage-authenticator-static"
    assert len(shown["codes"]) == 6
    assert (await client.answer(component="ak-stage-authenticator-static"))["to"] == "/"
    for row in await world.database.fetch("SELECT hash FROM directory_static_code"):
        assert not any(code.encode() in bytes(row["hash"]) for code in shown["codes"])
    for expected in (True, False):
        again = Client(world)
        await again.sign_in()
        result = await again.answer(component="ak-stage-authenticator-validate", code=shown["codes"][0])
        assert ("to" in result) is expected


async def test_deny_without_a_device(world: World, client: Client) -> None:
    default_flow(world, not_configured_action="deny")
    await world.user()
    assert (await client.sign_in())["component"] == "ak-stage-access-denied"


async def test_configure_without_stages_is_a_configuration_error(world: World, client: Client) -> None:
    default_flow(world, not_configured_action="configure")
    await world.user()
    assert (await client.sign_in())["component"] == "ak-stage-access-denied"
    assert len(await world.events("configuration_error")) == 1


async def test_a_proof_holds_for_its_threshold_on_the_same_browser(world: World, client: Client) -> None:
    default_flow(world, last_auth_threshold="hours=1")
    user = await world.user()
    key = world.devices.kind(TotpAuthenticator).new_key()
    await world.database.write(
        lambda: run([world.devices.kind(TotpAuthenticator).add(user=user.pk, name="x", key=key, now=NOW)])
    )
    await client.sign_in()
    code = totp.hotp(bytes.fromhex(key.reveal()), totp.counter_at(world.now), 6)
    await client.post(component="ak-stage-authenticator-validate", code=code)
    kept = client.cookies["authentik_mfa"]
    await client.get()
    world.now += 3000 * SECOND
    assert (await Client(world, cookies={"authentik_mfa": kept}).sign_in()).get("to") == "/"
    forged = kept.replace(kept.split(".")[1], str(world.now))
    assert "to" not in await Client(world, cookies={"authentik_mfa": forged}).sign_in()
    world.now += 1000 * SECOND
    assert "to" not in await Client(world, cookies={"authentik_mfa": kept}).sign_in()


async def test_plans_are_sealed_at_rest(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    rows = await world.database.fetch("SELECT body FROM flow_tab_plan")
    assert len(rows) == 1
    assert "pending_user" not in str(rows[0]["body"])
    assert codec.encode({}) == b"{}"
