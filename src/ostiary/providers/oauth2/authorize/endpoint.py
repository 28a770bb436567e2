"""The authorization endpoint, /application/o/authorize/ (RFC 6749 3.1; OpenID Connect Core 3.1.2).

GET walks the table in `steps`. The answer that ends a flow begun here walks it at once (`take_up`): what it stores and
the end of the flow are one batch, and the browser is spared two requests. POST answers 303 to the same request as a
GET: the cookie of a cross-site POST does not arrive, and a form must never be redirected to another origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.providers.oauth2.authorize.context import PATH, RETURN, AuthorizationContext, NotContinued, request_url
from ostiary.providers.oauth2.authorize.interactions import sign_in_again
from ostiary.providers.oauth2.authorize.response import send_error
from ostiary.providers.oauth2.authorize.steps import READING, STEPS
from ostiary.providers.oauth2.refusals import tell
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.flows.plans.beginning import Beginning
    from ostiary.flows.resources import Flow
    from ostiary.flows.run.flow_commit import PendingCommit
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request

_ENDLESS: Final = "The authorization request came to no end."


async def authorize(request: Request, services: Services) -> Response:
    """Answer a GET: a page, a flow, or the client."""
    pairs = request.query_pairs()
    if not pairs:
        raise BadRequest("invalid_request", "This address is for applications: the request has no parameters.")
    context = _context(request, services, pairs)
    try:
        for step in STEPS:
            if context.entry in step.at:
                response = await step.take(context)
                if response is not None:
                    return response
    except OAuthError as error:
        await _tell(context, error)
        return await send_error(context, error)
    except HttpError as error:
        await _tell(context, error)
        raise
    raise BadRequest("invalid_request", _ENDLESS)  # pragma: no cover - the last step always answers


class AuthorizeEndpoint:
    """The endpoint as sign-on knows it (`signon.protocols.Endpoint`)."""

    path: Final = PATH

    def __init__(self, services: Services) -> None:
        self._services = services

    async def answer(self, request: Request) -> Response:
        """Answer a GET."""
        return await authorize(request, self._services)

    async def take_up(self, request: Request, pending: PendingCommit) -> Response | None:
        """Answer the authorization request whose flow has just ended, and commit that end with it.

        None as well when its answer is an error or no redirect, or the flow was begun for something else.
        """
        try:
            context = _context(request, self._services, request.query_pairs())
            context.pending, context.at_once = pending, True
            for step in STEPS:
                if context.entry in step.at:
                    response = await step.take(context)
                    if response is not None:
                        return response
        except (OAuthError, HttpError, NotContinued):
            return None
        return None  # pragma: no cover - the last step always answers

    async def begin_again(self, request: Request, flow: Flow) -> Beginning | None:
        """Tell what a sign-in whose plan is lost was begun for.

        None when the request is wrong, begins another flow, or may not begin any more: the browser then brings it
        behind an ordinary sign-in, and is told.
        """
        try:
            context = _context(request, self._services, request.query_pairs())
            for take in READING:
                await take(context)
        except (OAuthError, HttpError):
            return None
        # guard: A30 a pushed request that is late begins for nobody at the page of its flow
        return sign_in_again(context, flow) if context.late is None else None


async def _tell(context: AuthorizationContext, error: OAuthError | HttpError) -> None:
    """Tell log and events of a refusal: the page tells the person a number, and a client not always why."""
    subject, values = context.subject_found, context.parameters.values
    await tell(
        context.request,
        context.services,
        error,
        client=context.client_found,
        client_id=values.get("client_id"),
        user=None if subject is None else subject.user.who,
        offered=values.get("redirect_uri") if context.target is None else None,
    )


def _context(request: Request, services: Services, pairs: Sequence[tuple[str, str]]) -> AuthorizationContext:
    parameters = read_parameters(pairs)
    return AuthorizationContext(
        request=request,
        services=services,
        parameters=parameters,
        coming_from=parameters.values.get(RETURN),
        pairs=tuple(pairs),
        snapshot=services.plane.snapshot,
        now=services.clock(),
    )


async def authorize_post(request: Request) -> Response:
    """Answer a POST (Core 3.1.2.1 wants it to be possible)."""
    pairs = await request.form()
    return redirect(request_url(request, [*request.query_pairs(), *pairs]), 303)


__all__ = ["PATH", "AuthorizeEndpoint", "authorize", "authorize_post"]
