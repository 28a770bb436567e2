"""The flow engine: the interface for pages, the JSON executor and protocols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.directory.users import end_proofs
from ostiary.flows.errors import PlanChanged, UnknownFlow
from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.destination import destination_key, page_address, page_key
from ostiary.flows.plans.flow_start import ANOTHER_URL, FlowStart
from ostiary.flows.plans.pending_commit import PendingCommit
from ostiary.flows.plans.repository import drop, drop_all, drop_leading_to, drop_oldest, move_all
from ostiary.flows.resources import Designation, Flow
from ostiary.flows.run.body_limit import body_limit
from ostiary.flows.run.dispatcher import Dispatcher
from ostiary.flows.run.dispatcher_factory import DispatcherFactory
from ostiary.flows.run.flow_commit import commit_end
from ostiary.flows.run.outcome import FlowRedirect, Outcome, Passed
from ostiary.flows.run.planner import Planner
from ostiary.sessions.session import Session, SessionGone
from ostiary.store.database import Statement
from ostiary.store.workspace.commit import run as run_all

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.web.request import Request


class FlowEngine:
    """Starts flows, returns their challenges, and handles responses.

    Errors: UnknownFlow (404); TooManyRequests (429) when sign-in is throttled; HttpError 503 when the password queue
    is full. Everything else is an outcome.
    """

    def __init__(self, runs: DispatcherFactory) -> None:
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

    def body_limit(self, slug: str) -> int:
        """Return how many bytes an answer to the flow may have, files included. Raises UnknownFlow."""
        return body_limit(self.flow(slug), self._services.plane.snapshot)

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
        """Store a new plan and return the URL of its page. It replaces the plan of the session for flow and `next_url`.

        Only that URL identifies the plan (see `destination.page_address`). For `context`, `next_url`, `completion` and
        `append` see `plans.flow_start.FlowStart`. `proof` is the user proven already, as read before the proof.
        """
        plan = FlowStart(context, completion, next_url, append).plan(session, flow)
        plan = plan if proof is None else plan.proven(proof)
        await self._write([drop_oldest(session.key), self._services.plans.put(session.key, plan, now=now)])
        return page_address(request.prefix, flow.slug, next_url)

    async def challenge(
        self, request: Request, session: Session, slug: str, *, query: str = "", latest: bool = False, now: int
    ) -> Outcome:
        """Return the current challenge. Starts the flow if the session has no plan for it.

        `query` is the query string of the page; its `next` identifies the plan. With `latest` and without `next` it is
        the plan used last, for clients that do not pass on the query. A `Challenge` has the errors of the last wrong
        response, for pages that respond to a POST with a redirect.
        """
        run = await self._run(request, session, slug, query=query, latest=latest, now=now)
        return await run.show()

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
        """Handle the response of a JSON client. `Passed`: request again. `Challenge`: see its errors, or denied.

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
        """Handle the form of a page, and advance the flow to its next challenge or its end, in one batch.

        `ticket` is that of the shown challenge. `FlowRedirect`: the flow ended, with `answer` if the protocol has
        responded already. Else as `respond`.
        """
        run = await self._run(request, session, slug, query=query, latest=False, now=now)
        outcome = await run.submit(form, ticket=ticket)
        if run.pending_end is None or not isinstance(outcome, FlowRedirect):
            return outcome
        try:
            return await self._end(request, outcome, run.pending_end, now=now)
        except (PlanChanged, SessionGone):  # another tab was first
            return Passed()

    async def _end(self, request: Request, moved: FlowRedirect, end: PendingCommit, *, now: int) -> FlowRedirect:
        """Commit the end of a flow, together with the response of the protocol if it can respond now."""
        answer = await self._services.answer_end(request, moved.to, end)
        if answer is None:
            await commit_end(self._services, request, end, now=now)
            return moved
        return FlowRedirect(moved.to, answer, moved.ended)

    async def cancel(self, session: Session, slug: str, next_url: str | None) -> None:
        """Delete the session's plan for a flow and `next_url`."""
        await self._write([drop(session.key, slug, destination_key(next_url))])

    async def turn_back(self, session: Session, query: str, *, now: int) -> str | None:
        """Delete the session's plans for the destination of the query, because the user cancels.

        Returns our path for signing in as another user for the same request, if a plan names one.
        """
        key = page_key(query)
        plans = await self._services.plans.leading_to(session.key, key, now=now)
        await self._write([drop_leading_to(session.key, key)])
        named = (plan.context.get(ANOTHER_URL) for plan in plans)
        return next((url for url in named if isinstance(url, str) and is_relative(url)), None)

    async def completed(self, session: Session, completion: str, *, now: int) -> bool:
        """Return whether a flow with that completion key was passed in this session. The completion is consumed."""
        return await self._services.plans.completed(session.key, completion, now=now)

    async def first_flow(
        self, request: Request, session: Session | None, designation: Designation, *, now: int
    ) -> Flow | None:
        """Return the first flow of a designation, by slug, that is applicable to the session."""
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
        return await run.load(latest=latest and not page_key(query))

    async def _write(self, statements: Iterable[Statement]) -> None:
        batch = list(statements)
        await self._services.database.write(lambda: run_all(batch))


def plans_move(old: Session, new: Session) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_move`: plans follow the session, completions only for the same user."""
    return move_all(old.key, new.key, proofs=old.user in {None, new.user})


def proofs_end(user: int) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_close`: proofs of the user end in the plans of all browsers."""
    yield end_proofs(user)


def plans_end(key: bytes, now: int) -> Iterable[Statement]:
    """Hook for `sessions.sessions.Hooks.on_end`: plans and completions end with the session."""
    del now
    return drop_all(key)
