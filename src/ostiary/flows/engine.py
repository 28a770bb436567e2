"""The engine of flows, as pages, the JSON executor and protocols use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.directory.users import end_proofs
from ostiary.flows.errors import PlanChanged, UnknownFlow
from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.destination import destination_key, key_of_page, page_address
from ostiary.flows.plans.flow_start import ANOTHER_URL, FlowStart
from ostiary.flows.plans.pending_commit import PendingCommit
from ostiary.flows.plans.repository import drop, drop_all, drop_leading_to, drop_oldest, move_all
from ostiary.flows.resources import Designation, Flow
from ostiary.flows.run.dispatcher import Dispatcher
from ostiary.flows.run.flow_commit import settle
from ostiary.flows.run.outcome import Moved, Outcome, Passed
from ostiary.flows.run.planner import Planner
from ostiary.flows.run.runs import Runs
from ostiary.sessions.session import Session, SessionGone
from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run as run_all

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.web.request import Request


class FlowEngine:
    """Begins flows, shows their challenges, takes their answers, and says which ended.

    Errors: UnknownFlow (404); TooManyRequests (429) when sign-in is throttled; HttpError 503 when too many passwords
    wait to be checked. Everything else is an outcome.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._services = runs.services

    def flow(self, slug: str) -> Flow:
        """Return the flow of that slug. Raises UnknownFlow."""
        snapshot = self._services.plane.snapshot
        by_slug = snapshot.memo("flows.by_slug", lambda: {flow.slug: flow for flow in snapshot.all(Flow)})
        try:
            return by_slug[slug]
        except KeyError:
            raise UnknownFlow from None

    async def begin(
        self,
        request: Request,
        session: Session,
        flow: Flow,
        *,
        context: Mapping[str, object],
        next_url: str,
        completion: str | None = None,
        append: tuple[str, ...] = (),
        proof: User | None = None,
        now: int,
    ) -> str:
        """Store a plan in place of what the session had for that flow and `next_url`; return its page's address.

        Only under that address the page finds the plan (see `destination.page_address`).
        For `context`, `next_url`, `completion` and `append` see `plans.flow_start.FlowStart`. `proof` is who was proven
        already, as read before.
        """
        plan = FlowStart(context, completion, next_url, append).plan(session, flow)
        plan = plan if proof is None else plan.proven(proof)
        await self._write([drop_oldest(session.key), self._services.plans.put(session.key, plan, now=now)])
        return page_address(request.prefix, flow.slug, next_url)

    async def challenge(
        self, request: Request, session: Session, slug: str, *, query: str = "", latest: bool = False, now: int
    ) -> Outcome:
        """Return what to show now; begins the flow when the session has no plan for it.

        `query` is the page's own query string; its `next` names the plan. With `latest` and without `next` it is the
        one that was taken on last, wherever it leads: for programs that do not hand on the query they were sent. A
        `Challenge` carries the errors of the last wrong answer, for pages that answer a POST by a redirect.
        """
        run = await self._run(request, session, slug, query=query, latest=latest, now=now)
        return await run.look()

    async def respond(
        self,
        request: Request,
        session: Session,
        slug: str,
        answer: Mapping[str, object],
        *,
        query: str = "",
        latest: bool = False,
        now: int,
    ) -> Outcome:
        """Take the answer of a JSON client. `Passed`: look again. `Challenge`: wrong (see response_errors), or refused.

        `latest` as in `challenge`.
        """
        run = await self._run(request, session, slug, query=query, latest=latest, now=now)
        return await run.respond(answer)

    async def submit(
        self,
        request: Request,
        session: Session,
        slug: str,
        form: Mapping[str, object],
        *,
        query: str = "",
        ticket: str,
        now: int,
    ) -> Outcome:
        """Take the form of a page, and the flow on to its next question or its end, in the same batch.

        `ticket` is that of the challenge the page showed. `Moved`: the flow ended, together with `Moved.answer` when
        the protocol it was begun for has one. Else as `respond`.
        """
        run = await self._run(request, session, slug, query=query, latest=False, now=now)
        outcome = await run.submit(form, ticket=ticket)
        if run.left is None or not isinstance(outcome, Moved):
            return outcome
        try:
            return await self._end(request, outcome, run.left, now=now)
        except (PlanChanged, SessionGone):  # another tab was first
            return Passed()

    async def _end(self, request: Request, moved: Moved, end: PendingCommit, *, now: int) -> Moved:
        """Commit the end of a flow, by the answer of the protocol it leads to if that can be given now."""
        answer = await self._services.answer_end(request, moved.to, end)
        if answer is None:
            await settle(self._services, request, end, now=now)
            return moved
        return Moved(moved.to, answer, moved.ended)

    async def cancel(self, session: Session, slug: str, next_url: str | None) -> None:
        """Drop the session's plan of one flow that leads to `next_url`."""
        await self._write([drop(session.key, slug, destination_key(next_url))])

    async def turn_back(self, session: Session, query: str, *, now: int) -> str | None:
        """Drop the session's plans that lead where the query says: the person turns back, or is somebody else.

        Returns the path of ours where whoever began the flow lets another person in; None when none is named.
        """
        key = key_of_page(query)
        plans = await self._services.plans.leading_to(session.key, key, now=now)
        await self._write([drop_leading_to(session.key, key)])
        named = (plan.context.get(ANOTHER_URL) for plan in plans)
        return next((url for url in named if isinstance(url, str) and is_relative(url)), None)

    async def completed(self, session: Session, completion: str, *, now: int) -> bool:
        """Tell, once, whether the flow begun with that key came to its end in this session."""
        return await self._services.plans.completed(session.key, completion, now=now)

    async def first_flow(
        self, request: Request, session: Session | None, designation: Designation, *, now: int
    ) -> Flow | None:
        """Return the first flow of a designation, by slug, whose policies the session passes."""
        flows = sorted(self._services.plane.snapshot.where(Flow, designation=designation), key=lambda flow: flow.slug)
        for flow in flows:
            if session is None or await self._applies(request, session, flow, now=now):
                return flow
        return None

    async def _applies(self, request: Request, session: Session, flow: Flow, *, now: int) -> bool:
        planner = Planner(self._services, snapshot=self._services.plane.snapshot, request=request, now=now)
        return await planner.applies(flow, session)

    async def _run(
        self, request: Request, session: Session, slug: str, *, query: str, latest: bool, now: int
    ) -> Dispatcher:
        flow = self.flow(slug)
        run = self._runs.dispatcher(request, session, flow, query=query, now=now)
        return await run.load(latest=latest and not key_of_page(query))

    async def _write(self, statements: Iterable[Statement]) -> None:
        batch = list(statements)
        await self._services.database.write(lambda: run_all(batch))


def plans_move(old: Session, new: Session) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_move`: plans follow the session, proofs only when the person is the same."""
    return move_all(old.key, new.key, proofs=old.user in {None, new.user})


def proofs_end(user: int) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_close`: what waits behind a proof, in any browser, ends as well."""
    yield end_proofs(user)


def plans_end(key: bytes, now: int) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_end`: plans and proofs go with the session."""
    del now
    return drop_all(key)
