"""/api/v3/flows/executor/{slug}/, and the redirects at /flows/-/."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, Literal
from urllib.parse import quote

from ostiary.brands.select import select
from ostiary.flows.engine import FlowEngine
from ostiary.flows.enrolment import FRESH
from ostiary.flows.errors import UnknownFlow
from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.destination import flow_page
from ostiary.flows.proofs.relying_party import related_origins
from ostiary.flows.resources import STAGE, ConfigurableStage, Flow
from ostiary.flows.run.challenge_frame import ACCESS_DENIED
from ostiary.flows.run.outcome import Challenge, FlowRedirect, Outcome, Passed
from ostiary.sessions.session import Session
from ostiary.sessions.sessions import Sessions
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.database import StoreError
from ostiary.web.csrf import same_origin
from ostiary.web.errors import BadRequest, Forbidden, HttpError, NotFound
from ostiary.web.request import BODY_LIMIT, Request
from ostiary.web.response import Response, json, redirect
from ostiary.web.router import Route

_LOGGER: Final = logging.getLogger("ostiary.flows")
EXECUTOR: Final = "/api/v3/flows/executor/{slug}/"


class Executor:
    """The JSON executor of flows, for headless clients and foreign front ends."""

    def __init__(self, engine: FlowEngine, sessions: Sessions, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._sessions = sessions
        self._clock = clock

    async def show(self, request: Request) -> Response:
        """GET: the current challenge; starts the flow when there is no plan."""
        now = self._clock()
        session = await self._sessions.ensure(request, now)
        slug = request.params["slug"]
        work = self._engine.challenge(request, session, slug, query=_query(request), latest=True, now=now)
        return await self._safely(request, work, errors=False)

    async def answer(self, request: Request) -> Response:
        """POST: a response. 302 to the same URL when the stage passed, else the challenge again."""
        if not same_origin(request):
            raise Forbidden("cross_origin", "This answer was sent from another site.")
        slug = request.params["slug"]
        body = await request.json(self._limit(slug))
        if not isinstance(body, Mapping):
            raise BadRequest("parse_error", "Expected an object.")
        now = self._clock()
        session = await self._sessions.ensure(request, now)
        work = self._respond(request, session, slug, body, now=now)
        return await self._safely(request, work, errors=True)

    def _limit(self, slug: str) -> int:
        try:
            return self._engine.body_limit(slug)
        except UnknownFlow:  # the answer says so
            return BODY_LIMIT

    async def _respond(
        self, request: Request, session: Session, slug: str, body: Mapping[str, object], *, now: int
    ) -> Outcome:
        query = _query(request)
        outcome = await self._engine.respond(request, session, slug, body, query=query, latest=True, now=now)
        if isinstance(outcome, Challenge) and outcome.component == ACCESS_DENIED:
            # Shown at once: the denied plan is not stored for another request.
            await self._engine.challenge(request, session, slug, query=query, latest=True, now=now)
        return outcome

    async def _safely(self, request: Request, work: Awaitable[Outcome], *, errors: bool) -> Response:
        """Respond with the outcome. An unexpected error is also a challenge, with only the request id."""
        try:
            return self._answer(request, await work, errors=errors)
        except (HttpError, StoreError):
            raise
        except Exception:
            _LOGGER.exception("flow failed request_id=%s", request.request_id)
            return json({"component": "ak-stage-flow-error", "request_id": request.request_id})

    def _answer(self, request: Request, outcome: Outcome, *, errors: bool) -> Response:
        match outcome:
            case Passed():
                response = redirect(request.url)
            case FlowRedirect():
                response = json(outcome.wire())
            case Challenge():
                body = outcome.wire()
                if not errors:
                    body.pop("response_errors", None)
                response = json(body)
        return response


class RelatedOrigins:
    """Which of our addresses may ask for each other's passkeys."""

    def __init__(self, hosts: Callable[[], Collection[str]]) -> None:
        self._hosts = hosts

    async def show(self, _request: Request) -> Response:
        """GET /.well-known/webauthn: our origins (WebAuthn Level 3, section 5.11)."""
        # guard: A35 related origins are the named hosts
        return json({"origins": related_origins(self._hosts())})


class Redirects:
    """The redirects into flows."""

    def __init__(self, engine: FlowEngine, sessions: Sessions, plane: ConfigPlane, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._sessions = sessions
        self._plane = plane
        self._clock = clock

    async def authentication(self, request: Request) -> Response:
        """GET /flows/-/default/authentication/: to the authentication flow."""
        return await self._default(request, "authentication")

    async def invalidation(self, request: Request) -> Response:
        """GET /flows/-/default/invalidation/: to the invalidation flow."""
        return await self._default(request, "invalidation")

    async def _default(self, request: Request, designation: Literal["authentication", "invalidation"]) -> Response:
        now, snapshot = self._clock(), self._plane.snapshot
        brand = select(snapshot, request.host)
        pk = brand.flow_authentication if designation == "authentication" else brand.flow_invalidation
        flow = snapshot.get(Flow, pk) if pk is not None else None
        if flow is None:
            session = await self._sessions.read(request, now)
            flow = await self._engine.first_flow(request, session, designation, now=now)
        if flow is None:
            raise UnknownFlow
        return redirect(flow_page(request.prefix, flow.slug, request.query))

    async def cancel(self, request: Request) -> Response:
        """GET /flows/-/cancel/: cancel the flows for `next`, so that another user can sign in.

        Redirects to the URL that a plan names for it, else to `next` if it is a path of ours, else to the logout.
        Flows of other tabs stay.
        """
        now = self._clock()
        session, following = await self._sessions.read(request, now), request.query_one("next")
        another = await self._engine.turn_back(session, request.query, now=now) if session is not None else None
        if another is not None:
            return redirect(another)
        if following and is_relative(following):
            return redirect(following)
        return redirect(request.prefix + "/flows/-/default/invalidation/")

    async def configure(self, request: Request) -> Response:
        """GET /flows/-/configure/{stage_uuid}/: start the configure flow of a stage, for the signed-in user."""
        now, snapshot = self._clock(), self._plane.snapshot
        session = await self._sessions.read(request, now)
        stale = session is None or session.auth_time is None or now - session.auth_time > FRESH
        if session is None or session.user is None or stale:
            return redirect(request.prefix + "/flows/-/default/authentication/?next=" + quote(request.url, safe=""))
        stage = snapshot.resolve(STAGE, request.params["stage_uuid"])
        pk = stage.configure_flow if isinstance(stage, ConfigurableStage) else None
        flow = snapshot.get(Flow, pk) if pk is not None else None
        if flow is None:
            raise NotFound
        following = request.query_one("next")
        to = await self._engine.begin(
            request,
            session,
            flow,
            context={"pending_user": {"pk": session.user, "username": str(session.who.get("username", ""))}},
            next_url=following if following and is_relative(following) else request.prefix + "/if/user/",
            now=now,
        )
        return redirect(to)


def routes(
    engine: FlowEngine,
    sessions: Sessions,
    plane: ConfigPlane,
    clock: Callable[[], int],
    hosts: Callable[[], Collection[str]],
) -> Sequence[Route]:
    """Return the routes of this room. `clock` gives microseconds UTC, `hosts` our named hosts."""
    executor, redirects = Executor(engine, sessions, clock), Redirects(engine, sessions, plane, clock)
    return (
        Route("GET", "/.well-known/webauthn", RelatedOrigins(hosts).show),
        Route("GET", EXECUTOR, executor.show, "flows_executor_get"),
        Route("POST", EXECUTOR, executor.answer, "flows_executor_solve"),
        Route("GET", "/flows/-/default/authentication/", redirects.authentication),
        Route("GET", "/flows/-/default/invalidation/", redirects.invalidation),
        Route("GET", "/flows/-/cancel/", redirects.cancel),
        Route("GET", "/flows/-/configure/{stage_uuid}/", redirects.configure),
    )


def _query(request: Request) -> str:
    """Return the page's query string, which the front end passes as one parameter."""
    return request.query_one("query") or ""
