"""A plan that goes on in another flow, and the redirect stage that leads there or to an address."""

from __future__ import annotations

from typing import Any

import pytest
from flows_world import PASSWORD, Client, World, identification, pk

from ostiary.flows.resources import Flow
from ostiary.flows.run.outcome import Challenge, FlowRedirect, Passed
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.password import PasswordStage
from ostiary.flows.stages.redirect import RedirectStage
from ostiary.flows.stages.user_login import UserLoginStage
from ostiary.resource import InvalidResource
from ostiary.web.request import Request

PAGE = "ak-stage-identification"
LEFT = {"component": "xak-flow-redirect", "to": "/if/flow/left/?next=/there/"}


def password() -> PasswordStage:
    return PasswordStage(pk=pk(), name=pk(), backends=("authentik.core.auth.InbuiltBackend",))


def redirect(target: Flow, **values: Any) -> RedirectStage:
    return RedirectStage(pk=pk(), name=pk(), mode="flow", target_flow=str(target.pk), **values)


def login() -> UserLoginStage:
    return UserLoginStage(pk=pk(), name=pk())


async def test_the_other_flow_goes_on_with_what_was_found_out(world: World) -> None:
    await world.user()
    left = world.flow("left", [login()], authentication="require_redirect")
    world.flow("right", [identification(), password(), redirect(left)])
    client = Client(world, slug="right", query="next=%2Fthere%2F")
    await client.get()
    await client.answer(uid_field="jo")
    assert await client.answer(password=PASSWORD) == LEFT
    client.slug = "left"
    assert await client.get() == {"component": "xak-flow-redirect", "to": "/there/"}
    assert (await client.session()).user is not None
    assert [one["context"]["auth_method"] for one in await world.events("login")] == ["password"]


async def test_a30_without_the_context_nobody_was_proven(world: World) -> None:
    await world.user()
    left = world.flow("left", [login()])
    world.flow("right", [identification(), password(), redirect(left, keep_context=False)])
    client = Client(world, slug="right", query="next=%2Fthere%2F")
    await client.get()
    await client.answer(uid_field="jo")
    assert await client.answer(password=PASSWORD) == LEFT
    client.slug = "left"
    assert (await client.get())["component"] == "ak-stage-access-denied"
    assert (await client.session()).user is None


async def test_nobody_else_gets_into_a_flow_that_wants_a_redirect(world: World) -> None:
    world.flow("left", [identification()], authentication="require_redirect")
    assert (await Client(world, slug="left").get())["component"] == "ak-stage-access-denied"


async def test_the_flow_that_led_there_is_over_in_every_tab(world: World) -> None:
    await world.user()
    left = world.flow("left", [password(), login()])
    world.flow("right", [identification(), redirect(left)])
    client = Client(world, slug="right", query="next=%2Fthere%2F")
    await client.get()
    assert await client.answer(uid_field="jo") == LEFT
    assert (await client.get())["component"] == PAGE, "begun anew"
    client.slug = "left"
    assert (await client.get())["component"] == "ak-stage-password"
    assert (await client.answer(password=PASSWORD))["to"] == "/there/"


async def test_flows_that_lead_to_each_other_end(world: World) -> None:
    left, right = world.flow("left", []), world.flow("right", [])
    for flow, target in ((left, right), (right, left)):
        stage = redirect(target)
        world.flow(f"{flow.slug}-unused", [stage])
        unused = world.program.snapshot.find(Flow, slug=f"{flow.slug}-unused")
        assert unused is not None
        binding = world.binding(unused, stage)
        world.change(type(binding)(pk=pk(), target=str(flow.pk), stage=str(stage.pk), order=0))
    client = Client(world, slug="left")
    for _ in range(9):
        shown = await client.get()
        if shown["component"] != "xak-flow-redirect":
            break
        client.slug = shown["to"].split("/")[3]
    assert (shown["component"], shown["error_message"]) == ("ak-stage-access-denied", "This flow leads in a circle.")


async def test_what_a_flow_was_begun_for_is_reached_through_the_other(world: World) -> None:
    """Its proof is left at the end of the second flow, and the stages put behind it are not left out."""
    await world.user()
    consent = ConsentStage(pk=pk(), name="consent", mode="always_require")
    world.change(consent)
    left = world.flow("left", [login()])
    right = world.flow("right", [identification(), password(), redirect(left, keep_context=True)])
    client = Client(world, slug="right", query="next=%2Fthere%2F")
    request = Request(host="id.example.org")
    session = await world.sessions.ensure(request, world.now)
    context = {"application": {"pk": "a", "name": "Wiki", "slug": "wiki"}}
    await world.engine.begin(
        request,
        session,
        right,
        context=context,
        next_url="/there/",
        completion="k",
        append=(str(consent.pk),),
        now=world.now,
    )

    async def submit(slug: str, **form: object) -> object:
        shown = await world.engine.challenge(request, session, slug, query=client.query, now=world.now)
        assert isinstance(shown, Challenge), shown
        return await world.engine.submit(
            request, session, slug, form, query=client.query, ticket=shown.ticket, now=world.now
        )

    assert await submit("right", uid_field="jo") == Passed()
    moved = await submit("right", password=PASSWORD)
    assert isinstance(moved, FlowRedirect)
    assert (moved.to, moved.ended) == (LEFT["to"], False)
    assert not await world.engine.completed(session, "k", now=world.now), "the end of the first flow is no proof"
    session = await _followed(world, request, session, client)
    shown = await world.engine.challenge(request, session, "left", query=client.query, now=world.now)
    assert isinstance(shown, Challenge)
    assert (shown.component, shown.fields["header_text"]) == (
        "ak-stage-consent",
        "Wiki would like to know who you are.",
    )
    ended = await submit("left", token=shown.fields["token"])
    assert isinstance(ended, FlowRedirect)
    assert ended.to == "/there/"
    assert await world.engine.completed(session, "k", now=world.now)


async def _followed(world: World, request: Request, session: Any, client: Client) -> Any:
    """Return the session after the second flow signed in: it has a new id."""
    await world.engine.challenge(request, session, "left", query=client.query, now=world.now)
    return await world.sessions.ensure(request, world.now)


async def test_an_address_is_led_to_and_the_flow_waits(small_world: World) -> None:
    away = RedirectStage(pk=pk(), name="away", mode="static", target_static="https://docs.example.org/terms")
    small_world.flow("right", [away, DenyStage(pk=pk(), name="deny", deny_message="Behind it.")])
    client = Client(small_world, slug="right")
    shown = await client.get()
    assert (shown["component"], shown["to"]) == ("xak-flow-redirect", "https://docs.example.org/terms")
    assert await client.get() == shown
    assert (await client.answer(component="xak-flow-redirect", to=shown["to"]))["error_message"] == "Behind it."


@pytest.mark.parametrize(
    ("named", "to"),
    [
        ("https://a.example/", "https://a.example/"),
        ("ak-flow://left", "/if/flow/left/"),
        ("ak-flow://none", "https://docs.example.org/"),
        ("", "https://docs.example.org/"),
        ("javascript:alert(1)", None),
    ],
)
async def test_the_plan_names_another_target(small_world: World, named: str, to: str | None) -> None:
    world = small_world
    away = RedirectStage(pk=pk(), name="away", mode="static", target_static="https://docs.example.org/")
    world.flow("left", [identification()])
    right = world.flow("right", [away])
    request = Request(host="id.example.org")
    session = await world.sessions.ensure(request, world.now)
    await world.engine.begin(
        request, session, right, context={"redirect_stage_target": named}, next_url="", now=world.now
    )
    shown = await world.engine.challenge(request, session, "right", now=world.now)
    if to is None:
        assert isinstance(shown, Challenge)
        assert shown.component == "ak-stage-access-denied"
    else:
        assert (shown.to if isinstance(shown, FlowRedirect) else shown.fields["to"]) == to  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"mode": "static"}, "target_static"),
        ({"mode": "flow"}, "target_flow"),
        ({"mode": "static", "target_static": "javascript:alert(1)"}, "target_static"),
    ],
)
def test_a_target_is_needed(values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidResource) as caught:
        RedirectStage.KIND.make(pk(), RedirectStage.KIND.parse({"name": "away", **values}))
    assert [problem.field for problem in caught.value.problems] == [field]
