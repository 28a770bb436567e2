"""Sign-out by the application, /application/o/{slug}/end-session/ (OpenID Connect RP-Initiated Logout 1.0).

The provider's invalidation flow is run in any case, else the brand's. Whether the session ends with it:

| id_token_hint | the flow | the session |
|---|---|---|
| of this client, about whoever is signed in | any | ends |
| none, or about somebody else | has a user_logout stage | ends: the administrator wants it so |
| none, or about somebody else | has none | the person is asked (section 2), on the page at the end of the flow |

The browser goes on to post_logout_redirect_uri when it is one of the provider's, and to no other list's. The path names
the client, so that address needs no hint to be trusted (section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from ostiary.brands.select import select
from ostiary.flows.farewell import ASK, END
from ostiary.flows.resources import Flow
from ostiary.grants.parties import parties_of
from ostiary.proto.jose import JoseError, peek_header
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.proto.oauth2.redirect import is_allowed, with_query
from ostiary.providers.oauth2.claims import session_id, subject_of
from ostiary.providers.oauth2.discovery import find_client
from ostiary.providers.oauth2.key_set import verify_own
from ostiary.providers.oauth2.refusing import tell
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request

_ENCRYPTED: Final = 4  # dots of a JWE (RFC 7516 7.1)
_KEPT: Final = frozenset({"client_id", "post_logout_redirect_uri", "state", "ui_locales"})
_TYP: Final = "JWT"  # the `typ` of ID tokens; a logout token is none, whoever signed it


async def end_session(request: Request, services: Services) -> Response:
    """Begin the sign-out; an address or hint that is not right is told here and leads nowhere."""
    client = find_client(request, services)
    try:
        return await _begin(request, services, client)
    except HttpError as error:
        await tell(request, services, error, client=client, offered=_offered(request))
        raise


def _offered(request: Request) -> str | None:
    return next((value for name, value in request.query_pairs() if name == "post_logout_redirect_uri"), None)


async def _begin(request: Request, services: Services, client: Client) -> Response:
    now = services.clock()
    try:
        parameters = read_parameters(request.query_pairs())
        parameters.check_single()
        hint = _hint(client, parameters.get("id_token_hint"))
        if parameters.get("client_id") not in {None, client.provider.client_id}:
            raise BadRequest("invalid_request", "The client_id is another application's.")
        target = _target(client, parameters)
    except OAuthError as error:
        raise BadRequest(error.code, error.description) from error
    session = await services.gate.ensure(request, now)
    context: dict[str, object] = {"application": _application(client)}
    if target is not None:
        context["redirect"] = target
    if session.user is not None:
        if hint is not None and await _is_about(services, client, session, hint):
            context[END] = True
        elif target is not None:
            context[END] = ASK
    flow = _flow(request, services, client)
    back = _without_hint(request, parameters)
    return redirect(await services.engine.begin(request, session, flow, context=context, next_url=back, now=now))


def _without_hint(request: Request, parameters: Parameters) -> str:
    """Return the path of this request for the flow's address: the hint, a token, is not kept there."""
    pairs = [(name, value) for name, value in parameters.values.items() if name in _KEPT]
    query = urlencode(pairs, quote_via=quote)
    return f"{request.prefix}{request.path}" + (f"?{query}" if query else "")


async def end_session_post(request: Request) -> Response:
    """Answer a POST (section 2 wants it to be possible) by the same request as a GET, which brings the cookie."""
    pairs = [*request.query_pairs(), *await request.form()]
    return redirect(f"{request.prefix}{request.path}?{urlencode(pairs, quote_via=quote)}", 303)


def _hint(client: Client, hint: str | None) -> Mapping[str, object] | None:
    """Return the claims of an ID token of this client; an expired one is as good (section 2)."""
    if not hint or hint.count(".") == _ENCRYPTED:
        return None  # one that is encrypted only the client can read: the person is asked instead
    try:
        claims = verify_own(client.verifying, hint)
        typ = peek_header(hint).get("typ", _TYP)
    except JoseError as error:
        raise BadRequest("invalid_request", "The id_token_hint is not valid.") from error
    if typ != _TYP or claims.get("aud") != client.provider.client_id:
        raise BadRequest("invalid_request", "The id_token_hint was issued to another application.")
    return claims


async def _is_about(services: Services, client: Client, session: Session, hint: Mapping[str, object]) -> bool:
    """Tell whether a hint means whoever is signed in (section 4): this session, or this person in another one."""
    if hint.get("sid") == session_id(session.key):
        return True
    known = await parties_of(services.database, session.key)
    if any(item.provider == client.pk and hint.get("sub") == item.sub for item in known):
        return True
    subject = await services.users.subject(session.user) if session.user is not None else None
    return subject is not None and hint.get("sub") == subject_of(subject, client, salt=services.users.install_id)


def _target(client: Client, parameters: Parameters) -> str | None:
    """Return where the browser goes in the end, compared as redirect_uri is (A06)."""
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return None
    if not is_allowed(uri, client.provider.post_logout_redirect_uris):
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


def _application(client: Client) -> dict[str, object]:
    item = client.application
    return {"pk": str(item.pk), "name": item.name, "slug": item.slug}
