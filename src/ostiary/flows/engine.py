"""The engine of flows, as pages, the JSON executor and protocols use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.flows.errors import UnknownFlow
from ostiary.flows.next_url import is_relative
from ostiary.flows.outcome import Outcome
from ostiary.flows.plans import drop, drop_all, move_all, new_plan
from ostiary.flows.resources import Designation, Flow
from ostiary.flows.run import Run
from ostiary.flows.services import Services
from ostiary.sessions.session import Session
from ostiary.store.commit import run as run_all
from ostiary.store.database import Statement

if TYPE_CHECKING:
    from ostiary.web.request import Request


class FlowEngine:
    """Begins flows, shows their challenges, takes their answers, and says which ended.

    Errors: UnknownFlow (404); TooManyRequests (429) when sign-in is throttled; HttpError 503 when too many passwords
    wait to be checked. Everything else is an outcome.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def flow(self, slug: str) -> Flow:
        """Return the flow of that slug. Raises UnknownFlow."""
        found = self._services.plane.snapshot.find(Flow, slug=slug)
        if found is None:
            raise UnknownFlow
        return found

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
        now: int,
    ) -> None:
        """Store a plan in place of whatever the session had for that flow; send the browser to /if/flow/{slug}/.

        `context` is JSON data with primary keys (flows.md section 4): `application` is {"pk", "name", "slug"},
        `pending_user` is {"pk"}. `next_url` is a path of ours; an absolute end is `context["redirect"]`.
        `completion` is a key of the caller's own making that `completed` answers for, once, in this session.
        `append` are stages (primary keys) that come after those of the flow.
        """
        del request
        if next_url and not is_relative(next_url):
            message = f"not a path of ours: {next_url!r}"
            raise ValueError(message)
        plan = new_plan(flow.slug).to(
            context=dict(context),
            origin=dict(context),
            next_url=next_url,
            completion=completion,
            append=append,
            user=session.user,
        )
        await self._write([self._services.plans.put(session.key, plan, now=now)])

    async def challenge(self, request: Request, session: Session, slug: str, *, query: str = "", now: int) -> Outcome:
        """Return what to show now; begins the flow when the session has no plan for it.

        `query` is the page's own query string; `next` is read from it. A `Challenge` carries the errors of the last
        wrong answer, for pages that answer a POST by a redirect.
        """
        run = await self._run(request, session, slug, query=query, now=now)
        return await run.look()

    async def respond(
        self,
        request: Request,
        session: Session,
        slug: str,
        answer: Mapping[str, object],
        *,
        query: str = "",
        ticket: str | None = None,
        now: int,
    ) -> Outcome:
        """Take an answer. `Passed`: look again. `Challenge`: wrong (see response_errors), or refused for good.

        `ticket` is that of the challenge the page showed; None for clients of the JSON executor.
        """
        run = await self._run(request, session, slug, query=query, now=now)
        return await run.respond(answer, ticket=ticket)

    async def cancel(self, session: Session, slug: str | None = None) -> None:
        """Drop the session's plan of one flow, or all of them."""
        await self._write([drop(session.key, slug)] if slug is not None else drop_all(session.key))

    async def completed(self, session: Session, completion: str, *, now: int) -> bool:
        """Tell, once, whether the flow begun with that key came to its end in this session."""
        return await self._services.plans.completed(session.key, completion, now=now)

    async def first_flow(
        self, request: Request, session: Session | None, designation: Designation, *, now: int
    ) -> Flow | None:
        """Return the first flow of a designation, by slug, whose policies the session passes."""
        flows = sorted(self._services.plane.snapshot.where(Flow, designation=designation), key=lambda flow: flow.slug)
        for flow in flows:
            if session is None or await Run.applies(self._services, flow, request=request, session=session, now=now):
                return flow
        return None

    async def _run(self, request: Request, session: Session, slug: str, *, query: str, now: int) -> Run:
        flow = self.flow(slug)
        run = Run(self._services, request=request, session=session, flow=flow, query=query, now=now)
        return await run.load()

    async def _write(self, statements: Iterable[Statement]) -> None:
        kept = list(statements)
        await self._services.database.write(lambda: run_all(kept))


def plans_move(old: Session, new: Session) -> Iterable[Statement]:
    """Hook for `sessions.gate.Hooks.on_move`: plans follow the session, proofs only when the person is the same."""
    return move_all(old.key, new.key, proofs=old.user in {None, new.user})


def plans_end(key: bytes, now: int) -> Iterable[Statement]:
    """Hook for `sessions.gate.Hooks.on_end`: plans and proofs go with the session."""
    del now
    return drop_all(key)
