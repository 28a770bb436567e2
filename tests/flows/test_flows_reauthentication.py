"""A33: by what somebody signs in is changed by themselves only: with the old password, or right after a sign-in."""

from __future__ import annotations

from typing import Any

import pytest
from flows_world import PASSWORD, SECOND, Client, World, default_flow, pk

from ostiary.flows.prompt.field import Prompt
from ostiary.flows.proofs.reauthentication import FRESH, STALE
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run

NEW = "another horse battery"


def change_flow(world: World, *fields: tuple[str, str], **values: Any) -> None:
    prompts = [
        Prompt(pk=pk(), name=f"f-{key}", field_key=key, label=key, type=kind, order=order)  # type: ignore[arg-type]
        for order, (key, kind) in enumerate(fields)
    ]
    ask = PromptStage(pk=pk(), name="ask", fields=tuple(str(one.pk) for one in prompts))
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="never_create")
    world.change(*prompts)
    flow: dict[str, Any] = {"designation": "stage_configuration", "authentication": "require_authenticated"}
    world.flow("change", [ask, write], **{**flow, **values})


async def password_of(world: World, user: Any) -> str:
    found = await world.users.get(user.pk)
    assert found is not None
    return str(found.password)


async def signed_in(world: World, *, ago: int) -> Client:
    client = Client(world)
    await client.sign_in()
    world.now += ago
    client.slug = "change"
    return client


async def test_a33_a_new_password_asks_for_the_old_one_first(world: World) -> None:
    default_flow(world)
    user = await world.user()
    change_flow(world, ("password", "password"))
    client = await signed_in(world, ago=FRESH + SECOND)
    before = await password_of(world, user)
    shown = await client.get()
    assert shown["component"] == "ak-stage-password"
    assert shown["reauthenticate"] is True
    assert shown["pending_user"] == "jo"
    shown = await client.answer(component="ak-stage-password", password="wrong")
    assert shown["response_errors"]["password"][0]["string"] == "Invalid password"
    assert (await client.answer(component="ak-stage-prompt", password=NEW))["component"] == "ak-stage-password"
    assert await password_of(world, user) == before
    assert (await client.answer(component="ak-stage-password", password=PASSWORD))["component"] == "ak-stage-prompt"
    assert (await client.answer(component="ak-stage-prompt", password=NEW))["to"] == "/"
    assert await password_of(world, user) != before
    assert (await client.session()).user == user.pk


async def test_right_after_a_sign_in_nothing_is_asked(world: World) -> None:
    default_flow(world)
    await world.user()
    change_flow(world, ("password", "password"))
    client = await signed_in(world, ago=FRESH)
    assert (await client.get())["component"] == "ak-stage-prompt"
    assert (await client.answer(component="ak-stage-prompt", password=NEW))["to"] == "/"


@pytest.mark.parametrize(
    ("fields", "answers", "asked"),
    [
        ((("password", "password"),), {"password": NEW}, True),
        ((("email", "email"),), {"email": "thief@example.org"}, True),
        ((("username", "username"),), {"username": "thief"}, True),
        ((("email", "email"), ("name", "text")), {"email": "jo@example.org", "name": "Jo"}, False),
        ((("name", "text"),), {"name": "Jo"}, False),
    ],
)
async def test_a33_whatever_flow_it_is_what_writes_asks(
    world: World, fields: Any, answers: dict[str, str], *, asked: bool
) -> None:
    """A flow of another designation does not ask first, and the sign-in may grow old on the way."""
    default_flow(world)
    user = await world.user()
    change_flow(world, *fields, designation="enrollment")
    client = await signed_in(world, ago=FRESH + SECOND)
    assert (await client.get())["component"] == "ak-stage-prompt"
    shown = await client.answer(component="ak-stage-prompt", **answers)
    assert shown["component"] == ("ak-stage-password" if asked else "xak-flow-redirect")
    if asked:
        found = await world.users.get(user.pk)
        assert found is not None
        assert (found.username, found.email) == ("jo", "jo@example.org")
        assert (await client.answer(component="ak-stage-password", password=PASSWORD))["to"] == "/"
    found = await world.users.get(user.pk)
    assert found is not None
    changed = {name: getattr(found, name) for name in answers if name != "password"}
    assert changed == {name: value for name, value in answers.items() if name != "password"}


async def test_a33_without_a_password_there_has_to_be_a_sign_in(world: World) -> None:
    default_flow(world)
    user = await world.user()
    change_flow(world, ("password", "password"))
    client = await signed_in(world, ago=FRESH + SECOND)
    await world.database.write(
        lambda: run([Statement("UPDATE directory_user SET password = '!x' WHERE pk = ?", (user.pk,))])
    )
    assert (await client.get())["component"] == "ak-stage-prompt"
    shown = await client.answer(component="ak-stage-prompt", password=NEW)
    assert (shown["component"], shown["error_message"]) == ("ak-stage-access-denied", STALE)
    assert await password_of(world, user) == "!x"


async def test_a33_naming_somebody_does_not_change_their_password(world: World, client: Client) -> None:
    default = default_flow(world)
    user = await world.user()
    password = Prompt(pk=pk(), name="p", field_key="password", label="p", type="password")
    ask = PromptStage(pk=pk(), name="ask", fields=(str(password.pk),))
    world.change(password)
    write = UserWriteStage(pk=pk(), name="write", user_creation_mode="never_create")
    world.flow("recover", [default.identification, ask, write], designation="recovery")
    client.slug = "recover"
    before = await password_of(world, user)
    await client.get()
    await client.answer(component="ak-stage-identification", uid_field="jo")
    shown = await client.answer(component="ak-stage-prompt", password=NEW)
    assert shown["component"] == "ak-stage-password"
    assert await password_of(world, user) == before
