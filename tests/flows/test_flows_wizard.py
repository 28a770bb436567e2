"""The first-run wizard (A39): open to who has the link, once, and never again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flows_world import PASSWORD, SECOND, SLUG, Client, World, bind, default_flow, expression, pk

from ostiary.directory.first_run.bootstrap import Bootstrap, apply_bootstrap
from ostiary.flows import wizard
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer

ANSWERS = {"email": "root@example.org", "password": "a long first password", "password_repeat": "a long first password"}


@pytest.fixture
def setup_flow(world: World) -> None:
    default_flow(world)
    prompts = [
        Prompt(pk=pk(), name="email", field_key="email", label="E-mail", type="email", order=1),
        Prompt(pk=pk(), name="password", field_key="password", label="Password", type="password", order=2),
        Prompt(pk=pk(), name="repeat", field_key="password_repeat", label="Again", type="password", order=3),
    ]
    world.change(*prompts)
    prompt = PromptStage(pk=pk(), name="stage-default-oobe-password", fields=tuple(str(one.pk) for one in prompts))
    write = UserWriteStage(pk=pk(), name="default-password-change-write", user_creation_mode="never_create")
    login = UserLoginStage(pk=pk(), name="default-authentication-login")
    flow = world.flow(wizard.SLUG, [prompt, write, login], designation="stage_configuration")
    usable = expression("default-oobe-password-usable")
    prefill = expression("default-oobe-prefill-user")
    closing = expression("default-oobe-flow-set-authentication")
    world.change(usable, prefill, closing, bind(flow, usable))
    world.change(bind(world.binding(flow, write), prefill), bind(world.binding(flow, login), closing))


async def browser(world: World, token: str | None = None) -> Client:
    link = (await world.setup.new_link_token(world.now)).reveal() if token is None else token
    return Client(world, slug=wizard.SLUG, query=f"token={link}")


async def finish(client: Client) -> dict[str, Any]:
    assert (await client.get())["component"] == "ak-stage-prompt"
    return await client.answer(component="ak-stage-prompt", **ANSWERS)


async def closed(client: Client) -> bool:
    shown = await client.get()
    return (shown["component"], shown.get("error_message")) in {
        ("ak-stage-access-denied", wizard.CLOSED),
        ("ak-stage-access-denied", wizard.NOT_VALID),
    }


@pytest.mark.usefixtures("setup_flow")
async def test_the_wizard_makes_the_first_administrator_and_signs_in(world: World) -> None:
    client = await browser(world)
    assert await finish(client) == {"component": "xak-flow-redirect", "to": "/"}
    session = await client.session()
    subject = await world.users.subject(session.user)
    assert subject is not None
    assert (subject.user.username, subject.user.email) == ("akadmin", "root@example.org")
    assert subject.is_superuser
    assert subject.all_group_names == {"authentik Admins"}
    assert await world.setup.closed()
    signed = Client(world, slug=SLUG)
    assert (await signed.sign_in("akadmin", ANSWERS["password"]))["to"] == "/"


@pytest.mark.usefixtures("setup_flow")
@pytest.mark.parametrize("query", ["", "token=", "token=wrong", "token=%00", "next=/x"])
async def test_a39_without_the_link_the_wizard_says_where_to_find_it(world: World, query: str) -> None:
    await world.setup.new_link_token(world.now)
    client = Client(world, slug=wizard.SLUG, query=query)
    assert await closed(client)
    await client.post(component="ak-stage-prompt", **ANSWERS)
    assert await closed(client)
    assert not await world.database.fetch("SELECT 1 FROM directory_user")


@pytest.mark.usefixtures("setup_flow")
async def test_a39_a_used_link_is_dead(world: World) -> None:
    client = await browser(world)
    link = client.query
    await finish(client)
    assert await closed(Client(world, slug=wizard.SLUG, query=link))
    assert await closed(client)


@pytest.mark.usefixtures("setup_flow")
async def test_a39_an_expired_link_is_dead_even_in_the_middle(world: World) -> None:
    client = await browser(world)
    assert (await client.get())["component"] == "ak-stage-prompt"
    world.now += 24 * 3600 * SECOND + SECOND
    fresh = Client(world, slug=wizard.SLUG, query=client.query)
    assert await closed(fresh)
    await client.post(component="ak-stage-prompt", **ANSWERS)
    assert not await world.database.fetch("SELECT 1 FROM directory_user")


@pytest.mark.usefixtures("setup_flow")
async def test_a39_a_newer_link_ends_the_older_one(world: World) -> None:
    old = await browser(world)
    assert (await old.get())["component"] == "ak-stage-prompt"
    new = await browser(world)
    await old.post(component="ak-stage-prompt", **ANSWERS)
    assert not await world.database.fetch("SELECT 1 FROM directory_user")
    assert (await finish(new))["to"] == "/"


@pytest.mark.usefixtures("setup_flow")
async def test_a39_the_bootstrap_password_closes_it(world: World) -> None:
    client = await browser(world)
    await client.get()
    settings = Bootstrap(password=Secret("from the settings"))
    sealer = Sealer(Secret("a secret key for tests, long enough to be one"))
    await apply_bootstrap(world.database, world.services.passwords, sealer, settings=settings, now=world.now)
    await client.post(component="ak-stage-prompt", **ANSWERS)
    assert await closed(client)
    assert (await Client(world).sign_in("akadmin", "from the settings"))["to"] == "/"


@pytest.mark.usefixtures("setup_flow")
async def test_a39_of_two_browsers_one_wins(world: World) -> None:
    first = await browser(world)
    second = Client(world, slug=wizard.SLUG, query=first.query)
    for one in (first, second):
        await one.get()
        response = await one.post(component="ak-stage-prompt", **{**ANSWERS, "email": f"{id(one)}@example.org"})
        assert response.status == 302
    shown = await asyncio.gather(first.get(), second.get())
    assert sorted(one["component"] for one in shown) == ["ak-stage-access-denied", "xak-flow-redirect"]
    rows = await world.database.fetch("SELECT email FROM directory_user")
    winner = first if shown[0]["component"] == "xak-flow-redirect" else second
    assert [row["email"] for row in rows] == [f"{id(winner)}@example.org"]
    sessions = [await one.session() for one in (first, second)]
    assert [one.user is not None for one in sessions] == [one is winner for one in (first, second)]


@pytest.mark.usefixtures("setup_flow")
async def test_the_two_passwords_must_be_the_same(world: World) -> None:
    client = await browser(world)
    await client.get()
    shown = await client.answer(component="ak-stage-prompt", **{**ANSWERS, "password_repeat": "other"})
    assert shown["response_errors"]["non_field_errors"][0]["string"] == "The two passwords are not the same."
    assert all(one["initial_value"] == "" for one in shown["fields"])


@pytest.mark.usefixtures("setup_flow")
async def test_a39_the_wizard_is_nobodys_way_to_sign_in(world: World) -> None:
    await world.user()
    client = await browser(world)
    await Client(world, cookies=client.cookies).sign_in("jo", PASSWORD)
    assert (await finish(client))["to"] == "/"
    session = await client.session()
    assert session.who["username"] == "akadmin"
