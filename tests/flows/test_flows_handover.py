"""The end of a flow that is not committed yet: one of both commits it, the engine or the protocol it leads to."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flows_world import Client, World, default_flow, identification, pk

from ostiary.flows.engine import FlowEngine
from ostiary.flows.errors import PlanChanged
from ostiary.flows.handover import Handover
from ostiary.flows.plans.flow_start import FlowStart
from ostiary.flows.plans.pending_commit import AnswerEnd, PendingCommit
from ostiary.flows.resources import Flow
from ostiary.flows.run.dispatcher_factory import DispatcherFactory
from ostiary.flows.run.outcome import Challenge, FlowRedirect, Outcome, Passed
from ostiary.flows.stages.deny import DenyStage
from ostiary.flows.stages.user_logout import UserLogoutStage
from ostiary.sessions.session import Session, SessionGone
from ostiary.store.workspace.commit import write_all
from ostiary.web.request import Request
from ostiary.web.response import Response, redirect

REQUEST = Request(host="id.example.org")
BEGINNING = FlowStart({}, "k", "/there/")


class Taker:
    """Takes up what leads to /there/, and notes it; with an error it raises that."""

    def __init__(self, world: World, *, answers: bool = True, error: type[Exception] | None = None) -> None:
        self._world = world
        self._answers = answers
        self._error = error
        self.seen: list[tuple[str, PendingCommit]] = []

    async def __call__(self, request: Request, to: str, pending: PendingCommit) -> Response | None:
        self.seen.append((to, pending))
        if self._error is not None:
            raise self._error
        if not self._answers:
            return None
        await write_all(self._world.database, pending.statements)
        return redirect("https://app.example.org/")


async def ended(world: World, answer_end: AnswerEnd) -> tuple[Outcome, Session]:
    """Take a flow of one question to its end by the form of its page."""
    await world.user()
    flow = world.flow("one", [identification()])
    session = await world.sessions.ensure(REQUEST, world.now)
    engine = FlowEngine(DispatcherFactory(dataclasses.replace(world.services, answer_end=answer_end)))
    await engine.begin(REQUEST, session, flow, context={}, next_url="/there/", completion="k", now=world.now)
    shown = await engine.challenge(REQUEST, session, "one", query="next=%2Fthere%2F", now=world.now)
    assert isinstance(shown, Challenge)
    form: dict[str, Any] = {"uid_field": "jo"}
    outcome = await engine.submit(
        REQUEST, session, "one", form, query="next=%2Fthere%2F", ticket=shown.ticket, now=world.now
    )
    return outcome, session


async def plans(world: World) -> int:
    return len(await world.database.fetch("SELECT 1 FROM flow_tab_plan"))


async def test_the_protocol_it_leads_to_commits_the_end_with_its_answer(world: World) -> None:
    taker = Taker(world)
    outcome, session = await ended(world, taker)
    assert isinstance(outcome, FlowRedirect)
    assert outcome.answer is not None
    assert outcome.answer.header("location") == "https://app.example.org/"
    ((to, pending),) = taker.seen
    assert (to, pending.completion) == ("/there/", "k")
    assert await plans(world) == 0
    assert not await world.engine.completed(session, "k", now=world.now), "holding the end was the proof"


async def test_what_nobody_takes_up_is_committed_and_leaves_its_proof(world: World) -> None:
    outcome, session = await ended(world, Taker(world, answers=False))
    assert outcome == FlowRedirect("/there/")
    assert await plans(world) == 0
    assert await world.engine.completed(session, "k", now=world.now)


@pytest.mark.parametrize("error", [PlanChanged, SessionGone])
async def test_an_end_that_another_tab_reached_first_is_looked_at_again(world: World, error: type[Exception]) -> None:
    outcome, session = await ended(world, Taker(world, error=error))
    assert outcome == Passed()
    assert await plans(world) == 1
    assert not await world.engine.completed(session, "k", now=world.now)


async def begun(world: World, flow: Flow) -> tuple[PendingCommit | str, Session]:
    session = await world.sessions.ensure(REQUEST, world.now)
    handover = world.program.service(Handover)
    return await handover.pass_through(REQUEST, session, flow, BEGINNING, now=world.now), session


async def test_a_flow_that_asks_nothing_is_handed_over_uncommitted(world: World) -> None:
    end, session = await begun(world, world.flow("none", [], designation="authorization"))
    assert isinstance(end, PendingCommit)
    assert end.completion == "k"
    assert not await world.engine.completed(session, "k", now=world.now)
    await world.program.service(Handover).commit(REQUEST, end, now=world.now)
    assert await world.engine.completed(session, "k", now=world.now)


async def test_a_flow_that_asks_or_refuses_is_left_to_its_page(world: World) -> None:
    asked, session = await begun(world, world.flow("one", [identification()]))
    assert asked == "ak-stage-identification"
    refused, _ = await begun(world, world.flow("refused", [DenyStage(pk=pk(), name="no")]))
    assert refused == ""
    assert not await world.engine.completed(session, "k", now=world.now)


async def test_a_flow_leads_to_paths_of_ours_only(world: World) -> None:
    session = await world.sessions.ensure(REQUEST, world.now)
    flow = world.flow("none", [])
    with pytest.raises(ValueError, match="not a path of ours"):
        FlowStart({}, next_url="https://elsewhere.example/").plan(session, flow)


async def test_a_stage_with_a_request_of_its_own_is_not_opened_behind_a_form(world: World, client: Client) -> None:
    default_flow(world)
    await world.user()
    await client.sign_in()
    world.flow("out", [identification(), UserLogoutStage(pk=pk(), name="out")], designation="recovery")
    session, request = await client.session(), Request(host="id.example.org")
    shown = await world.engine.challenge(request, session, "out", now=world.now)
    assert isinstance(shown, Challenge)
    form: dict[str, Any] = {"uid_field": "jo"}
    outcome = await world.engine.submit(request, session, "out", form, ticket=shown.ticket, now=world.now)
    assert outcome == Passed()
    assert (await client.session()).user == session.user, "the logout has not begun"
    client.slug = "out"
    assert await client.get() == {"component": "xak-flow-redirect", "to": "/"}
    assert (await client.session()).user is None
