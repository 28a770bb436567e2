"""Recovery by mail: A31 (once, in time, whichever browser), A32, A37 (for whom it was sent) and A42 (nothing is told)."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flows_recovery import MAIL_PAGE, MINUTE, NEW_PASSWORD, Recovery, choose, make_recovery, signs_in
from flows_world import PASSWORD, Client, World, bind, default_flow, identification, pk
from support.mail_server import ADDRESS, MailServer, mail_server, self_signed

from ostiary.flows.authenticators.totp.authenticator import TotpAuthenticator
from ostiary.flows.links.repository import REMEMBERED, FlowLinks, sweep
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.stages.email import EmailStage
from ostiary.flows.stages.prompt import PromptStage
from ostiary.flows.stages.resume import CHANGED, ENDED, NO_ACCOUNT, OTHER_ADDRESS, UNKNOWN
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.flows.stages.user_write import UserWriteStage
from ostiary.mail.outbox import Outbox
from ostiary.policies.kinds.expression import ExpressionPolicy
from ostiary.resource import InvalidResource
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.settings import EmailSettings
from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run
from ostiary.store.workspace.editor import Workspace

DENIED = "ak-stage-access-denied"
TAKEN = "return not request.context.get('is_restored', False)"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


@pytest.fixture
def house(world: World, server: MailServer) -> Recovery:
    return make_recovery(world, server)


@pytest.fixture
def small(small_world: World, server: MailServer) -> Recovery:
    return make_recovery(small_world, server)


async def edit(world: World, user: int, **values: object) -> None:
    async def work(workspace: Workspace) -> None:
        stored = await workspace.get("authentik_core.user", user)
        assert stored is not None
        await workspace.update(stored, values)

    await world.services.editor.edit(work, author="test", message="", now=world.now)


def activating(stage: EmailStage, **values: Any) -> EmailStage:
    """The same stage, which makes an inactive account active."""
    return dataclasses.replace(stage, activate_user_on_success=True, **values)


async def refusal(client: Client) -> str:
    """The sentence of a link that does not work."""
    shown = await client.get()
    assert shown["component"] == DENIED, shown
    return str(shown["error_message"])


async def test_a_forgotten_password_is_replaced_by_a_link(house: Recovery) -> None:
    user = await house.world.user()
    _, shown = await house.ask()
    assert shown["component"] == MAIL_PAGE
    (message,) = await house.deliver()
    assert message["to"] == "jo@example.org"
    assert message["from"] == "Ostiary <door@house.example>"
    assert message["subject"] == "Choose a new password"
    other = house.open(house.address([message]))
    assert await choose(other) == {"component": "xak-flow-redirect", "to": "/"}
    assert (await other.session()).user == user.pk
    assert await signs_in(house.world, "jo", NEW_PASSWORD)
    assert not await signs_in(house.world, "jo", PASSWORD)


async def test_a31_opening_the_link_uses_nothing_up(small: Recovery) -> None:
    await small.world.user()
    scanner = await small.link()
    address = small.address(small.server.accepted)
    for _ in range(3):
        await scanner.get()
    (row,) = await small.world.database.fetch("SELECT used FROM flow_link")
    assert row["used"] is None
    await choose(small.open(address))
    assert await refusal(scanner) == ENDED["used"]


async def test_a31_a_link_works_once(house: Recovery) -> None:
    await house.world.user()
    client = await house.link()
    await choose(client)
    assert await refusal(house.open(house.address(house.server.accepted))) == ENDED["used"]
    assert await refusal(client) == ENDED["used"], "and in the browser that used it"


async def test_a31_of_two_browsers_one_goes_on(house: Recovery) -> None:
    await house.world.user()
    one = await house.link()
    other = house.open(house.address(house.server.accepted))
    await one.get()
    await other.get()
    await asyncio.gather(one.post(), other.post())
    components = sorted([(await one.get())["component"], (await other.get())["component"]])
    assert components == [DENIED, "ak-stage-prompt"]


async def test_a31_a_link_that_another_browser_uses_meanwhile_is_used_up(
    small: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read it as valid: only the statement that uses it up can tell."""
    await small.world.user()
    one = await small.link()
    other = small.open(small.address(small.server.accepted))
    await one.get()
    await other.get()
    read = FlowLinks.read

    async def late(self: FlowLinks, key: Secret, slug: str, *, now: int) -> object:
        found = await read(self, key, slug, now=now)
        monkeypatch.setattr(FlowLinks, "read", read)
        await other.post()
        return found

    monkeypatch.setattr(FlowLinks, "read", late)
    await one.post()
    assert (await other.get())["component"] == "ak-stage-prompt"
    assert await refusal(one) == ENDED["used"]


async def test_a31_a_link_ends_in_time(house: Recovery) -> None:
    await house.world.user()
    client = await house.link()
    await client.get()
    house.world.now += 30 * MINUTE
    await client.post()
    assert await refusal(client) == ENDED["expired"]
    database = house.world.database
    await database.write(lambda: run([sweep(house.world.now)]))
    assert await refusal(client) == ENDED["expired"], "it can still be told apart"
    await database.write(lambda: run([sweep(house.world.now + REMEMBERED)]))
    assert await refusal(client) == UNKNOWN


async def test_a31_a_new_password_ends_every_other_link(small: Recovery) -> None:
    await small.world.user()
    first = await small.link()
    await choose(await small.link())
    assert await refusal(first) == CHANGED


async def test_a31_a_link_that_was_begun_ends_with_a_new_password(small: Recovery) -> None:
    await small.world.user()
    client = await small.link()
    await client.get()
    await client.answer()
    await small.world.accounts.set_password("jo", Secret("set by an administrator"), now=small.world.now)
    shown = await client.answer(password=NEW_PASSWORD, password_repeat=NEW_PASSWORD)
    assert shown["component"] == "ak-stage-identification"
    assert not await signs_in(small.world, "jo", NEW_PASSWORD)


async def test_a32_the_second_factor_is_still_asked_for(house: Recovery) -> None:
    user = await house.world.user()
    kind = house.world.devices.kind(TotpAuthenticator)
    device = kind.add(user=user.pk, name="phone", key=kind.new_key(), now=house.world.now)
    await house.world.database.write(lambda: run([device]))
    client = await house.link()
    assert (await choose(client))["component"] == "ak-stage-authenticator-validate"
    assert (await client.session()).user is None


async def test_a37_another_address_ends_the_link(small: Recovery) -> None:
    user = await small.world.user()
    client = await small.link()
    await edit(small.world, user.pk, email="other@example.org")
    assert await refusal(client) == OTHER_ADDRESS


async def test_a37_a_link_of_an_account_that_ended_is_none(small: Recovery) -> None:
    user = await small.world.user()
    client = await small.link()
    await edit(small.world, user.pk, is_active=False)
    assert await refusal(client) == NO_ACCOUNT


async def test_a37_a_link_continues_only_its_own_flow(small: Recovery) -> None:
    await small.world.user()
    await small.link()
    small.world.flow("another", [identification()])
    assert await refusal(small.open(small.address(small.server.accepted), slug="another")) == UNKNOWN


async def test_a37_a_link_proves_only_the_person_it_was_sent_for(small: Recovery) -> None:
    """Whoever is named after the link gets a link of their own."""
    world = small.world
    await world.user()
    await world.user("eve")
    again = identification()
    second = EmailStage(pk=pk(), name="second", host=small.email.host, port=small.email.port)
    world.flow("twice", [identification(), small.email, again, second])
    client = Client(world, slug="twice")
    await client.get()
    await client.answer(uid_field="eve")
    address = small.address(await small.deliver())
    other = Client(world, slug="twice", query=address.partition("?")[2])
    await other.get()
    assert (await other.answer())["component"] == "ak-stage-identification"
    assert (await other.answer(uid_field="jo"))["component"] == MAIL_PAGE
    await small.deliver()
    assert small.server.recipients == ["eve@example.org", "jo@example.org"]


async def test_a37_a_plan_cannot_turn_the_link_of_an_account_elsewhere(small: Recovery) -> None:
    await small.world.user()
    client, _ = await small.ask()
    session = await client.session()
    plan = await small.world.services.plans.latest(session.key, "recovery", now=small.world.now)
    assert plan is not None
    moved = plan.to(context={**plan.context, "email": "eve@example.net"}, scratch={}, shown=False)
    await small.world.database.write(lambda: run([small.world.services.plans.save(moved, now=small.world.now)]))
    await client.get()
    await small.deliver()
    assert small.server.recipients == ["jo@example.org", "jo@example.org"]


async def test_another_installation_cannot_read_the_link(small: Recovery, caplog: pytest.LogCaptureFixture) -> None:
    await small.world.user()
    client = await small.link()
    links = small.world.services.links
    links._sealer = Sealer(Secret("another" * 9))
    assert await refusal(client) == UNKNOWN
    assert "cannot be read" in caplog.text
    assert client.query.removeprefix("flow_token=") not in caplog.text


async def test_a42_nobody_looks_like_somebody(house: Recovery) -> None:
    await house.world.user("jo")
    gone = await house.world.user("al")
    await edit(house.world, gone.pk, is_active=False)
    without = await house.world.user("bo")
    await edit(house.world, without.pk, email="")

    def same(text: str, name: str) -> str:
        return re.sub(r'value="[^"]*"|\b' + name + r"\b", "-", text)

    pages = []
    for name in ("jo", "al", "bo", "mo"):
        client, shown = await house.ask(name)
        again = await client.post()
        response = await client.send("GET", "/if/flow/recovery/")
        assert shown["component"] == MAIL_PAGE
        pages.append((sorted(shown), again.status, again.body, same(response.body.decode(), name)))
        assert f"<strong>{name}</strong>" in response.body.decode()
    assert pages[0] == pages[1] == pages[2] == pages[3]
    await house.deliver()
    assert set(house.server.recipients) == {"jo@example.org"}


async def test_a_reload_sends_nothing_and_asking_again_does(small: Recovery) -> None:
    await small.world.user()
    client, _ = await small.ask()
    for _ in range(3):
        await client.get()
    assert await small.waiting() == 1
    again = await client.answer(component=MAIL_PAGE)
    assert again["response_errors"] == {"non_field_errors": [{"string": "The message was sent.", "code": "email-sent"}]}
    assert await small.waiting() == 2


async def test_a42_a_mailbox_gets_only_so_many(house: Recovery, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ostiary.flows")
    await house.world.user()
    client, shown = await house.ask()
    answers = [await client.answer() for _ in range(6)]
    assert all(answer == answers[0] for answer in answers)
    assert (await house.ask())[1].keys() == shown.keys(), "from another browser as well"
    assert await house.waiting() == 5
    assert "sent no mail" in caplog.text
    house.world.now += 6 * MINUTE
    await client.answer()
    assert await house.waiting() == 6


@pytest.mark.parametrize("recipe", [TAKEN, "return bool(request.context.get('is_restored', True))"])
async def test_the_recipe_that_skips_when_restored(small: Recovery, recipe: str) -> None:
    """Bound to the places of identification and e-mail, as authentik's own recovery flow has it."""
    await small.world.user()
    skip = ExpressionPolicy(pk=pk(), name="skip", expression=recipe)
    places = (small.world.binding(small.flow, small.identification), small.world.binding(small.flow, small.email))
    small.world.change(skip, *(bind(place, skip) for place in places))
    client = await small.link()
    assert await choose(client) == {"component": "xak-flow-redirect", "to": "/"}


async def test_the_policies_of_the_flow_look_at_the_browser_with_the_link(small: Recovery) -> None:
    await small.world.user()
    client = await small.link()
    refusing = ExpressionPolicy(pk=pk(), name="refusing", expression=TAKEN)
    refuses = bind(small.flow, refusing)
    small.world.change(refusing, refuses)
    await client.get()
    assert (await client.answer())["component"] == DENIED
    small.world.drop(refuses)
    await client.get()
    assert (await client.answer())["component"] == "ak-stage-prompt", "a refusal does not use it up"


async def test_a_link_leads_where_the_flow_was_to_lead(small: Recovery) -> None:
    await small.world.user()
    client = await small.link(query="next=%2Fthere%2F%3Fa%3Db&display=popup")
    assert re.fullmatch(r"flow_token=[\w-]{60}&next=/there/%3Fa%3Db", client.query)
    assert await choose(client) == {"component": "xak-flow-redirect", "to": "/there/?a=b"}


async def test_a_link_leads_to_nobody_elses_origin(small: Recovery) -> None:
    await small.world.user()
    client = await small.link(query="next=" + quote("https://evil.example/", safe=""))
    assert re.fullmatch(r"flow_token=[\w-]{60}", client.query)


async def test_a_signed_in_browser_may_use_a_link_of_somebody_else(small: Recovery) -> None:
    """What the link says counts, and nothing of the session it is opened in."""
    default_flow(small.world)
    jo = await small.world.user()
    await small.world.user("eve")
    await small.ask()
    address = small.address(await small.deliver())
    eve = Client(small.world)
    await eve.sign_in("eve")
    eve.slug, eve.query = "recovery", address.partition("?")[2]
    assert await choose(eve) == {"component": "xak-flow-redirect", "to": "/"}
    assert (await eve.session()).user == jo.pk
    assert await signs_in(small.world, "eve", PASSWORD)


async def test_a_confirmed_address_activates_an_account(house: Recovery) -> None:
    world = house.world
    user = await world.user()
    await edit(world, user.pk, is_active=False)
    stage = activating(house.email, template="email/account_confirmation.html", subject="Welcome")
    world.change(stage)
    client = await house.link()
    assert house.server.accepted[0]["subject"] == "Welcome"
    assert (await client.get())["component"] == MAIL_PAGE
    found = await world.users.get(user.pk)
    assert found is not None
    assert not found.is_active
    assert (await client.answer())["component"] == "ak-stage-prompt"
    assert (await client.get())["component"] == "ak-stage-prompt", "a reload goes on"
    found = await world.users.get(user.pk)
    assert found is not None
    assert found.is_active


async def test_an_address_that_nobody_has_yet(small: Recovery) -> None:
    """An enrolment may confirm an address before there is an account (context `email`)."""
    world = small.world
    world.flow("enrol", [small.email, identification()], designation="enrollment")
    client = Client(world, slug="enrol")
    session_plan = world.services.plans
    await client.get()
    session = await client.session()
    plan = await session_plan.latest(session.key, "enrol", now=world.now)
    assert plan is not None
    named = plan.to(context={"email": "new@example.org"}, scratch={}, shown=False)
    await world.database.write(lambda: run([session_plan.save(named, now=world.now)]))
    await client.get()
    address = small.address(await small.deliver())
    other = Client(world, slug="enrol", query=address.partition("?")[2])
    await other.get()
    assert (await other.answer())["component"] == "ak-stage-identification"
    assert small.server.recipients == ["new@example.org"]


async def test_an_account_that_is_not_active_yet_does_not_end_its_plan(small: Recovery) -> None:
    """The page that says a link was sent may be looked at again after the account was written."""
    world = small.world
    fields = [
        Prompt(pk=pk(), name=f"enrol-{key}", field_key=key, label=key, type="text", order=order)
        for order, key in enumerate(("username", "email"))
    ]
    prompt = PromptStage(pk=pk(), name="enrol", fields=tuple(str(one.pk) for one in fields))
    write = UserWriteStage(pk=pk(), name="write", create_users_as_inactive=True)
    world.change(*fields)
    world.flow("enrol", [prompt, write, activating(small.email), UserLoginStage(pk=pk(), name="in")])
    client = Client(world, slug="enrol")
    await client.get()
    assert (await client.answer(username="new", email="new@example.org"))["component"] == MAIL_PAGE
    assert (await client.get())["component"] == MAIL_PAGE, "not begun again"
    other = Client(world, slug="enrol", query=small.address(await small.deliver()).partition("?")[2])
    await other.get()
    assert await other.answer() == {"component": "xak-flow-redirect", "to": "/"}
    user = await world.users.by_username("new")
    assert user is not None
    assert user.is_active
    assert (await other.session()).user == user.pk


async def test_mail_goes_through_the_stages_own_server_with_its_password(
    small_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_world.user()
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with mail_server(tls="starttls", certificate=certificate, login=("door", "the mail password")) as server:
        own = {"username": "door", "password": Secret("the mail password"), "use_tls": True}
        house = make_recovery(small_world, server, **own)
        await house.ask()
        (row,) = await small_world.database.fetch("SELECT sealed FROM mail")
        assert "the mail password" not in row["sealed"]
        assert len(await house.deliver()) == 1


async def test_mail_goes_through_the_server_of_the_settings(small_world: World, server: MailServer) -> None:
    await small_world.user()
    house = make_recovery(small_world, server, use_global_settings=True, host="nowhere.invalid", port=1)
    outbox = small_world.program.service(Outbox)
    await house.ask()
    outbox._client._settings = EmailSettings(host=ADDRESS, port=server.port, sender="Settings <settings@house.example>")
    (message,) = await house.deliver()
    assert message["from"] == "Settings <settings@house.example>"


async def test_a73_no_page_of_a_link_tells_its_address(small: Recovery) -> None:
    await small.world.user()
    client = await small.link()
    for path in ("/if/flow/recovery/", "/if/flow/unknown/"):
        response = await client.send("GET", path, query=client.query)
        assert response.header("referrer-policy") == "strict-origin", path
    plain = await client.send("GET", "/if/flow/recovery/")
    assert plain.header("referrer-policy") != "strict-origin"


async def test_the_page_of_a_link_that_does_not_work_leads_to_a_new_one(small: Recovery) -> None:
    await small.world.user()
    client = await small.link(query="next=%2Fthere%2F")
    await choose(client)
    page = (await client.send("GET", "/if/flow/recovery/", query=client.query)).body.decode()
    assert ENDED["used"] in page
    assert 'href="/if/flow/recovery/?next=%2Fthere%2F"' in page
    assert "flow_token" not in page


async def test_a_sender_that_is_no_address_is_refused(small: Recovery) -> None:
    async def work(workspace: Workspace) -> None:
        await workspace.create(EmailStage.KIND.name, {"name": "broken", "from_address": "nobody"})

    with pytest.raises(InvalidResource, match="from_address"):
        await small.world.services.editor.edit(work, author="test", message="", now=small.world.now)


async def test_a73_no_other_page_is_led_to_with_the_key(small: Recovery) -> None:
    await small.world.user()
    enrol = small.world.flow("enrol", [identification()])
    again = identification(enrollment_flow=str(enrol.pk))
    small.world.flow("twice", [identification(), small.email, again])
    client = Client(small.world, slug="twice", query="next=/there/")
    await client.get()
    await client.answer(uid_field="jo")
    client.query = small.address(await small.deliver()).partition("?")[2]
    await client.get()
    shown = await client.answer()
    assert shown["enroll_url"] == "/if/flow/enrol/?next=/there/"
    assert "flow_token" not in str(shown)


async def test_an_address_that_is_none_gets_nothing(small: Recovery, caplog: pytest.LogCaptureFixture) -> None:
    """The directory would not take such an address now; a row may be older than that."""
    user = await small.world.user()
    changed = Statement("UPDATE directory_user SET email = ? WHERE pk = ?", ("jo@a.example, eve@b.example", user.pk))
    await small.world.database.write(lambda: run([changed]))
    assert (await small.ask())[1]["component"] == MAIL_PAGE
    assert await small.waiting() == 0
    assert "the address of the account is none" in caplog.text


@pytest.mark.parametrize(
    ("expiry", "words"),
    [("hours=1", "1 hour"), ("hours=36", "36 hours"), ("days=2", "2 days"), ("seconds=90", "2 minutes")],
)
async def test_the_lifetime_is_told_in_the_page_and_in_the_message(
    small_world: World, server: MailServer, expiry: str, words: str
) -> None:
    await small_world.user()
    house = make_recovery(small_world, server, token_expiry=expiry, template="own.html")
    client, _ = await house.ask()
    page = await client.send("GET", "/if/flow/recovery/")
    (message,) = await house.deliver()
    body = message.get_body(("plain",))
    assert body is not None
    assert f"The link works once, for {words}." in page.body.decode()
    assert f"The link works once, for {words}." in body.get_content()
    assert message["subject"] == "Go on at Ostiary"


async def test_a37_a_link_of_an_account_that_was_deleted_is_none(small: Recovery) -> None:
    user = await small.world.user()
    client = await small.link()

    async def work(workspace: Workspace) -> None:
        stored = await workspace.get("authentik_core.user", user.pk)
        assert stored is not None
        await workspace.delete(stored)

    await small.world.services.editor.edit(work, author="test", message="", now=small.world.now)
    assert await refusal(client) == NO_ACCOUNT
