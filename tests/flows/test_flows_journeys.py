"""What protocols do with flows: begin one, come back, and ask whether it ended. Consents on the way."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from flows_world import NOW, SECOND, Client, World, default_flow, pk

from ostiary.applications.resources import Application
from ostiary.flows.resources import Flow
from ostiary.flows.run.outcome import Challenge, FlowRedirect
from ostiary.flows.stages.consent import ConsentStage
from ostiary.flows.stages.deny import DenyStage
from ostiary.sessions.cookie import COOKIE
from ostiary.web.request import Request

OPENID = {"id": "openid", "name": "Know who you are"}
EMAIL = {"id": "email", "name": "Know your e-mail address"}


def request_of(client: Client) -> Request:
    return Request(headers={"cookie": f"{COOKIE}={client.cookies.get(COOKIE, '')}"}, host="id.example.org")


class Journey:
    def __init__(self, world: World, client: Client, flow: Flow, application: Application) -> None:
        self.world, self.client, self.flow, self.application = world, client, flow, application

    async def begin(self, *permissions: dict[str, str], **context: Any) -> None:
        request = request_of(self.client)
        session = await self.world.sessions.ensure(request, self.world.now)
        application = {"pk": str(self.application.pk), "name": self.application.name, "slug": self.application.slug}
        await self.world.engine.begin(
            request,
            session,
            self.flow,
            context={"application": application, "consent_permissions": list(permissions), **context},
            next_url="/application/o/authorize/?x=1",
            completion="proof",
            now=self.world.now,
        )

    async def completed(self) -> bool:
        return await self.world.engine.completed(await self.client.session(), "proof", now=self.world.now)

    async def show(self) -> dict[str, Any]:
        self.client.slug = self.flow.slug
        return await self.client.get()


@pytest.fixture
async def journey(world: World, client: Client) -> Journey:
    default_flow(world)
    await world.user()
    await client.sign_in()
    application = Application(pk=pk(), name="Wiki", slug="wiki", meta_launch_url="https://wiki.example.org/")
    world.change(application)
    stage = ConsentStage(pk=pk(), name="consent", mode="expiring", consent_expire_in="hours=1")
    flow = world.flow(
        "authorize", [stage], designation="authorization", authentication="require_authenticated", title="To %(app)s"
    )
    return Journey(world, client, flow, application)


async def test_consent_is_asked_once_and_new_permissions_alone_afterwards(journey: Journey, world: World) -> None:
    await journey.begin(OPENID)
    shown = await journey.show()
    assert shown["flow_info"]["title"] == "To Wiki"
    assert (shown["permissions"], shown["additional_permissions"]) == ([OPENID], [])
    assert not await journey.completed()
    done = await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    assert done == {"component": "xak-flow-redirect", "to": "/application/o/authorize/?x=1"}
    assert await journey.completed()
    assert not await journey.completed()

    await journey.begin(OPENID)
    assert (await journey.show())["component"] == "xak-flow-redirect"
    await journey.begin(OPENID, EMAIL)
    shown = await journey.show()
    assert (shown["permissions"], shown["additional_permissions"]) == ([OPENID], [EMAIL])
    await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    given = await world.services.consents.given(
        (await journey.client.session()).user, str(journey.application.pk), now=NOW
    )
    assert given == frozenset({"openid", "email"})

    await journey.begin(OPENID, consent_always=True)
    assert (await journey.show())["component"] == "ak-stage-consent"
    world.now += 3600 * SECOND
    await journey.begin(OPENID)
    assert (await journey.show())["permissions"] == [OPENID]


async def test_a_consent_belongs_to_one_person_and_one_application(journey: Journey, world: World) -> None:
    await journey.begin(OPENID)
    shown = await journey.show()
    await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    user = (await journey.client.session()).user
    assert await world.services.consents.given(user, str(journey.application.pk), now=NOW) == frozenset({"openid"})
    assert await world.services.consents.given(user + 1, str(journey.application.pk), now=NOW) is None
    assert await world.services.consents.given(user, pk(), now=NOW) is None


async def test_a30_a_flow_that_was_refused_or_cancelled_leaves_no_proof(journey: Journey, world: World) -> None:
    await journey.begin(OPENID)
    await journey.show()
    response = await journey.client.send("GET", "/flows/-/cancel/", query="next=/if/user/")
    assert (response.status, response.header("location")) == (302, "/if/user/")
    assert not await journey.completed()
    journey.flow = world.flow("refusing", [DenyStage(pk=pk(), name="no")], designation="authorization")
    await journey.begin(OPENID)
    assert (await journey.show())["component"] == "ak-stage-access-denied"
    assert not await journey.completed()


@pytest.mark.parametrize("context", [{}, {"declined_url": "https://evil.example/"}, {"declined_url": 7}])
async def test_a_no_that_nobody_waits_for_ends_the_flow(journey: Journey, context: dict[str, object]) -> None:
    await journey.begin(OPENID, **context)
    shown = await journey.show()
    assert (await journey.client.answer(component="ak-stage-consent", token=shown["token"], deny=True))[
        "component"
    ] == "ak-stage-access-denied"
    assert not await journey.completed()


async def test_a30_a_proof_is_of_one_session_and_short(journey: Journey, world: World) -> None:
    await journey.begin(OPENID)
    shown = await journey.show()
    await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    other = Client(world)
    await other.sign_in()
    assert not await world.engine.completed(await other.session(), "proof", now=world.now)
    assert not await world.engine.completed(await journey.client.session(), "other", now=world.now)
    world.now += 11 * 60 * SECOND
    assert not await journey.completed()


async def test_a40_a_proof_does_not_follow_to_another_person(journey: Journey, world: World) -> None:
    await world.user("al")
    await journey.begin(OPENID)
    shown = await journey.show()
    await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    journey.client.slug = "default-authentication-flow"
    assert (await journey.client.sign_in("al"))["to"] == "/"
    assert not await journey.completed()


async def test_a_sign_in_that_was_begun_leads_back_and_proves_itself(world: World, client: Client) -> None:
    default = default_flow(world)
    await world.user()
    request = request_of(client)
    session = await world.sessions.ensure(request, world.now)
    from ostiary.web.response import Response

    response = Response(200)
    world.sessions.finish(request, response)
    client.cookies[COOKIE] = (response.header("set-cookie") or "").partition("=")[2].partition(";")[0]
    await world.engine.begin(
        request,
        session,
        default.flow,
        context={"pending_user_identifier": "jo", "application": {"name": "Wiki"}},
        next_url="/back/",
        completion="login",
        now=world.now,
    )
    shown = await client.get()
    assert shown["component"] == "ak-stage-identification" or shown["pending_user"] == "jo"
    if shown["component"] == "ak-stage-identification":
        assert shown["application_pre"] == "Wiki"
        await client.answer(component="ak-stage-identification", uid_field="jo")
    from flows_world import PASSWORD

    assert (await client.answer(component="ak-stage-password", password=PASSWORD))["to"] == "/back/"
    assert await world.engine.completed(await client.session(), "login", now=world.now)


async def test_a_flow_without_stages_ends_at_once(journey: Journey, world: World) -> None:
    journey.flow = world.flow("implicit", [], designation="authorization", authentication="require_authenticated")
    await journey.begin(OPENID)
    request = request_of(journey.client)
    session = await world.sessions.ensure(request, world.now)
    query = urlencode({"next": "/application/o/authorize/?x=1"})
    outcome = await world.engine.challenge(request, session, "implicit", query=query, now=world.now)
    assert outcome == FlowRedirect("/application/o/authorize/?x=1")
    assert await journey.completed()


async def test_what_has_no_name_is_listed_and_asks_nobody_again(journey: Journey, world: World) -> None:
    nameless = {"id": "openid", "name": ""}
    await journey.begin(EMAIL)
    shown = await journey.show()
    await journey.client.answer(component="ak-stage-consent", token=shown["token"])
    await journey.begin(nameless, EMAIL)
    assert (await journey.show())["component"] == "xak-flow-redirect"
    await journey.begin(nameless, EMAIL, consent_always=True)
    shown = await journey.show()
    assert (shown["permissions"], shown["additional_permissions"]) == ([nameless, EMAIL], [])


async def test_begin_refuses_an_end_on_another_origin(journey: Journey) -> None:
    request = request_of(journey.client)
    session = await journey.client.session()
    with pytest.raises(ValueError, match="not a path"):
        await journey.world.engine.begin(request, session, journey.flow, context={}, next_url="https://x/", now=NOW)


async def test_the_end_of_a_sign_out_that_an_application_asked_for(journey: Journey, world: World) -> None:
    journey.flow = world.flow("provider-out", [], designation="invalidation", title="Bye %(app)s")
    await journey.begin()
    shown = await journey.show()
    assert (shown["component"], shown["application_name"]) == ("ak-stage-session-end", "Wiki")
    assert shown["application_launch_url"] == "https://wiki.example.org/"
    assert shown["invalidation_flow_url"] == "/flows/-/default/invalidation/"
    await journey.begin(redirect="https://wiki.example.org/bye")
    assert await journey.show() == {"component": "xak-flow-redirect", "to": "https://wiki.example.org/bye"}


async def test_anonymous_people_cannot_use_a_flow_for_those_signed_in(world: World, journey: Journey) -> None:
    stranger = Client(world, slug="authorize")
    assert (await stranger.get())["component"] == "ak-stage-access-denied"
    stranger.query = "next=/if/user/"
    assert await stranger.get() == {"component": "xak-flow-redirect", "to": "/if/user/"}


@pytest.mark.parametrize(
    ("requirement", "denied_action", "expected"),
    [
        ("require_superuser", "message", "ak-stage-access-denied"),
        ("require_superuser", "continue", "xak-flow-redirect"),
        ("require_redirect", "message", "ak-stage-access-denied"),
        ("require_outpost", "message", "ak-stage-access-denied"),
        ("require_authenticated", "message", "xak-flow-redirect"),
    ],
)
async def test_requirements_and_denied_actions(
    journey: Journey, world: World, requirement: str, denied_action: str, expected: str
) -> None:
    world.flow("some", [], designation="authorization", authentication=requirement, denied_action=denied_action)
    journey.client.slug = "some"
    assert (await journey.client.get())["component"] == expected


async def test_an_authentication_flow_that_does_not_apply_counts_as_done_when_signed_in(
    journey: Journey, world: World
) -> None:
    world.flow("source", [], authentication="require_unauthenticated")
    journey.client.slug = "source"
    assert await journey.client.get() == {"component": "xak-flow-redirect", "to": "/"}


async def test_redirects_lead_to_the_flows_of_the_brand(journey: Journey, world: World) -> None:
    client = journey.client
    to = await client.send("GET", "/flows/-/default/authentication/", query="next=/x")
    assert to.header("location") == "/if/flow/default-authentication-flow/?next=/x"
    assert (await client.send("GET", "/flows/-/default/invalidation/")).status == 404
    world.flow("b-out", [], designation="invalidation")
    world.flow("a-out", [], designation="invalidation", authentication="require_unauthenticated")
    found = await client.send("GET", "/flows/-/default/invalidation/")
    assert found.header("location") == "/if/flow/b-out/"
    for following in ("//evil.example/", "https://evil.example/"):
        away = await client.send("GET", "/flows/-/cancel/", query=f"next={following}")
        assert away.header("location") == "/flows/-/default/invalidation/"


async def test_configure_runs_the_flow_of_a_stage_for_whoever_is_signed_in(journey: Journey, world: World) -> None:
    from ostiary.flows.authenticators.totp.stage import AuthenticatorTOTPStage

    stage = AuthenticatorTOTPStage(pk=pk(), name="phone", digits=6)
    flow = world.flow("phone-setup", [stage], designation="stage_configuration")
    world.change(AuthenticatorTOTPStage(pk=stage.pk, name="phone", digits=6, configure_flow=str(flow.pk)))
    path = f"/flows/-/configure/{stage.pk}/"
    stranger = await Client(world).send("GET", path)
    assert (stranger.header("location") or "").startswith(
        "/flows/-/default/authentication/?next=%2Fflows%2F-%2Fconfigure"
    )
    found = await journey.client.send("GET", path)
    assert found.header("location") == "/if/flow/phone-setup/?next=/if/user/"
    journey.client.slug = "phone-setup"
    assert (await journey.client.get())["component"] == "ak-stage-authenticator-totp"
    assert (await journey.client.send("GET", f"/flows/-/configure/{pk()}/")).status == 404
    world.now += 2 * 3600 * SECOND
    again = await journey.client.send("GET", path)
    assert (again.header("location") or "").startswith("/flows/-/default/authentication/")


async def test_a_challenge_outcome_is_plain_data(journey: Journey, world: World) -> None:
    await journey.begin(OPENID)
    request = request_of(journey.client)
    session = await world.sessions.ensure(request, world.now)
    outcome = await world.engine.challenge(request, session, "authorize", now=world.now)
    assert isinstance(outcome, Challenge)
    assert outcome.wire()["component"] == "ak-stage-consent"


async def test_a_fault_is_told_by_its_id_only(journey: Journey, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the inside of the house")

    monkeypatch.setattr(journey.world.engine, "challenge", broken)
    answer = await journey.client.send("GET", "/api/v3/flows/executor/authorize/")
    shown = json.loads(answer.body)
    assert shown == {"component": "ak-stage-flow-error", "request_id": answer.header("x-authentik-id")}
