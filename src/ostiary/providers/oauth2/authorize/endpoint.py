"""The authorization endpoint, /application/o/authorize/ (RFC 6749 3.1; OpenID Connect Core 3.1.2).

GET walks the table in `steps`. The answer that ends a flow begun here walks it at once (`signon.endpoint`): what it
stores and the end of the flow are one batch, and the browser is spared two requests. POST answers 303 to the same
request as a GET: the cookie of a cross-site POST does not arrive, and a form must never be redirected elsewhere.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.providers.oauth2.authorize.address import PATH
from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext
from ostiary.providers.oauth2.authorize.response import page_of, send_error
from ostiary.providers.oauth2.authorize.steps import STEPS
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.signon.context import RETURN, request_url
from ostiary.signon.endpoint import SignOnEndpoint
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request


def authorize_endpoint(services: OAuth2Services) -> SignOnEndpoint[AuthorizationContext]:
    """Return the endpoint, as routes and sign-on use it."""
    return SignOnEndpoint(PATH, partial(_parse, services), STEPS, refuse=_refuse, errors=(OAuthError,))


async def _refuse(context: AuthorizationContext, error: Exception) -> Response:
    """Answer an error of a step: to the client where its address is trusted, else by a page."""
    if isinstance(error, OAuthError) and context.known_target is not None:
        await _report(context, error)
        return await send_error(context, error)
    error = page_of(error) if isinstance(error, OAuthError) else error
    if isinstance(error, HttpError):
        await _report(context, error)
    raise error


async def _report(context: AuthorizationContext, error: OAuthError | HttpError) -> None:
    """Write the refusal to log and events: the page shows a number only, and a client not always gets the reason."""
    subject, values = context.known_subject, context.parameters.values
    await report_refusal(
        context.request,
        context.services,
        error,
        client=context.known_client,
        client_id=values.get("client_id"),
        user=None if subject is None else subject.user.who,
        offered=values.get("redirect_uri") if context.known_target is None else None,
    )


def _parse(services: OAuth2Services, request: Request) -> AuthorizationContext:
    pairs = request.query_pairs()
    if not pairs:
        raise BadRequest("invalid_request", "This address is for applications: the request has no parameters.")
    parameters = read_parameters(pairs)
    return AuthorizationContext(
        request=request,
        services=services,
        parameters=parameters,
        returning_from=parameters.values.get(RETURN),
        pairs=tuple(pairs),
        snapshot=services.plane.snapshot,
        now=services.clock(),
    )


async def authorize_post(request: Request) -> Response:
    """Answer a POST (Core 3.1.2.1 wants it to be possible)."""
    pairs = await request.form()
    return redirect(request_url(request, PATH, [*request.query_pairs(), *pairs]), 303)


__all__ = ["PATH", "authorize_endpoint", "authorize_post"]
