"""The authorization endpoint, /application/o/authorize/ (RFC 6749 3.1; OpenID Connect Core 3.1.2).

GET walks the table in `steps`. POST answers 303 to the same request as a GET: the cookie of a cross-site POST does not
arrive, and a form must never be redirected to another origin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import read_parameters
from ostiary.providers.oauth2.answering import send_error
from ostiary.providers.oauth2.answers import log_failure
from ostiary.providers.oauth2.inquiry import PATH, RETURN, Inquiry, request_url
from ostiary.providers.oauth2.steps import STEPS
from ostiary.web.errors import BadRequest
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request

_ENDLESS: Final = "The authorization request came to no end."


async def authorize(request: Request, services: Services) -> Response:
    """Answer a GET: a page, a flow, or the client."""
    pairs = request.query_pairs()
    if not pairs:
        raise BadRequest("invalid_request", "This address is for applications: the request has no parameters.")
    parameters = read_parameters(pairs)
    inquiry = Inquiry(
        request=request,
        services=services,
        parameters=parameters,
        coming_from=parameters.values.get(RETURN),
        pairs=tuple(pairs),
        snapshot=services.plane.snapshot,
        now=services.clock(),
    )
    try:
        for step in STEPS:
            if inquiry.entry in step.at:
                response = await step.take(inquiry)
                if response is not None:
                    return response
    except OAuthError as error:
        log_failure(request, error)
        return await send_error(inquiry, error)
    raise BadRequest("invalid_request", _ENDLESS)  # pragma: no cover - the last step always answers


async def authorize_post(request: Request) -> Response:
    """Answer a POST (Core 3.1.2.1 wants it to be possible)."""
    pairs = await request.form()
    return redirect(request_url(request, [*request.query_pairs(), *pairs]), 303)


__all__ = ["PATH", "authorize", "authorize_post"]
