"""Sign-out by the application, /application/o/{slug}/end-session/ (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from ostiary.brands.select import select
from ostiary.flows.resources import Flow
from ostiary.proto.jose import JoseError, verify
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.proto.oauth2.redirect import with_query
from ostiary.providers.oauth2.discovery import find_client
from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.web.request import Request


async def end_session(request: Request, services: Services) -> Response:
    """Begin the provider's invalidation flow, else the brand's; it leads to an allowed post_logout_redirect_uri.

    The address needs no id_token_hint: the path names the client, and the list of that client decides (section 2).
    """
    client, now = find_client(request, services), services.clock()
    try:
        parameters = read_parameters(request.query_pairs())
        parameters.check_single()
        _check_hint(client, parameters.get("id_token_hint"))
        if parameters.get("client_id") not in {None, client.provider.client_id}:
            raise BadRequest("invalid_request", "The client_id is another application's.")
        target = _target(client, parameters)
    except OAuthError as error:
        raise BadRequest(error.code, error.description) from error
    flow = _flow(request, services, client)
    application = client.application
    context: dict[str, object] = {
        "application": {"pk": str(application.pk), "name": application.name, "slug": application.slug}
    }
    if target is not None:
        context["redirect"] = target
    session = await services.gate.ensure(request, now)
    await services.engine.begin(request, session, flow, context=context, next_url=request.prefix + "/", now=now)
    return redirect(f"{request.prefix}/if/flow/{flow.slug}/")


async def end_session_post(request: Request) -> Response:
    """Answer a POST (section 2 wants it to be possible) by the same request as a GET, which brings the cookie."""
    pairs = [*request.query_pairs(), *await request.form()]
    return redirect(f"{request.prefix}{request.path}?{urlencode(pairs, quote_via=quote)}", 303)


def _check_hint(client: Client, hint: str | None) -> None:
    """Check whose ID token it is; an expired one is as good (section 2, RP-Initiated Logout)."""
    if hint is None:
        return
    try:
        claims = codec.decode(verify(hint, [client.key.verifying()]).payload)
    except (JoseError, ValueError) as error:
        raise BadRequest("invalid_request", "The id_token_hint is not valid.") from error
    audience = cast("dict[str, object]", claims).get("aud") if isinstance(claims, dict) else None
    if audience != client.provider.client_id:
        raise BadRequest("invalid_request", "The id_token_hint was issued to another application.")


def _target(client: Client, parameters: Parameters) -> str | None:
    """Return where the browser goes in the end. The same rules as for redirect_uri (A06)."""
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return None
    if not client.may_redirect_to(uri):
        raise BadRequest("invalid_request", "The application sent an address to return to that is not allowed.")
    state = parameters.get("state")
    return uri if state is None else with_query(uri, [("state", state)])


def _flow(request: Request, services: Services, client: Client) -> Flow:
    snapshot = services.plane.snapshot
    brand = select(snapshot, request.host)
    for pk in (client.provider.invalidation_flow, brand.flow_invalidation):
        flow = snapshot.get(Flow, pk) if pk is not None else None
        if flow is not None:
            return flow
    raise HttpError(404, "no_invalidation_flow", "No way to sign out is set up for this address.")
