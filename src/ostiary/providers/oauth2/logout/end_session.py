"""RP-initiated logout, /application/o/{slug}/end-session/ (OpenID Connect RP-Initiated Logout 1.0).

The provider's invalidation flow is run in any case, else the brand's. Whether the session ends with it:

| id_token_hint | the session |
|---|---|
| of this client, about whoever is signed in | ends |
| none, about somebody else, or not issued by us to this client | the person is asked first (section 2) |

The question is the flow's own where it has a user_logout stage (which asks browsers, and no programs), else it stands
at the end of the flow. The browser goes on to post_logout_redirect_uri when it is one of the provider's, and to no
other list's. The path names the client, so that address needs no hint to be trusted (section 3). With another address,
or a hint that is not ours, the browser stays here, and the page says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from ostiary.brands.select import select
from ostiary.flows.logout.session_end import NOTICES, NOTICES_NUMBER
from ostiary.flows.plans.logout import ASK, END
from ostiary.flows.resources import Flow
from ostiary.grants.session_clients import clients_of_session
from ostiary.proto.jose import JoseError, base64url_decode, peek_header
from ostiary.proto.oauth2.authorization.redirect import is_allowed, with_query
from ostiary.proto.oauth2.errors import OAuthError
from ostiary.proto.oauth2.parameters import Parameters, read_parameters
from ostiary.providers.oauth2.metadata.endpoints import find_client
from ostiary.providers.oauth2.metadata.global_issuer import global_clients
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.providers.oauth2.tokens.claims import session_id, sub_claim
from ostiary.providers.oauth2.tokens.key_set import verify_own
from ostiary.resource import codec
from ostiary.web.errors import BadRequest, HttpError, NotFound
from ostiary.web.response import Response, redirect

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.sessions.session import Session
    from ostiary.web.request import Request

_PARTS: Final = 3  # of a JWS
_ENCRYPTED: Final = 4  # dots of a JWE (RFC 7516 7.1)
_KEPT: Final = frozenset({"client_id", "post_logout_redirect_uri", "state", "ui_locales"})
HINT: Final = "hint"
ADDRESS: Final = "address"
POST_LIMIT: Final = 98_304  # bytes: a hint of 64 KiB, and the rest
MAX_LENGTH_IN_ADDRESS: Final = 4_096  # characters of a hint; proxies take lines of 8 KiB
_SHORT_TYP: Final = "logout-hint+jwt"
_NOT_OURS: Final = "x"
_TYP: Final = "JWT"  # the `typ` of ID tokens; a logout token is none, whoever signed it


async def end_session(request: Request, services: OAuth2Services) -> Response:
    """Start the logout. An invalid request, or one of another client, gets an error page and no redirect."""
    client = _asking(request, services, request.query_pairs())
    try:
        return await _begin(request, services, client)
    except HttpError as error:
        await report_refusal(request, services, error, client=client)
        raise


def _asking(request: Request, services: OAuth2Services, pairs: Sequence[tuple[str, str]]) -> Client | None:
    """Return the client of the path; at the global issuer, the client that the request names, if it uses that issuer.

    There it is named by client_id, or by the audience of the hint, which is not believed before that client's keys
    have checked it. Raises NotFound.
    """
    if "slug" in request.params:
        return find_client(request, services)
    clients = {client.provider.client_id: client for client in global_clients(services.plane.snapshot)}
    if not clients:
        raise NotFound
    sent = dict(pairs)
    return clients.get(sent.get("client_id") or _audience(sent.get("id_token_hint", "")))


def _audience(hint: str) -> str:
    """Return the audience of an unverified hint; "" for none."""
    parts = hint.split(".")
    if len(parts) != _PARTS:
        return ""
    try:
        claims = codec.decode(base64url_decode(parts[1]))
    except (JoseError, ValueError):
        return ""
    audience = claims.get("aud") if isinstance(claims, dict) else None
    return audience if isinstance(audience, str) else ""


async def _begin(request: Request, services: OAuth2Services, client: Client | None) -> Response:
    now = services.clock()
    try:
        parameters = read_parameters(request.query_pairs())
        parameters.require_single()
        if client is not None and parameters.get("client_id") not in {None, client.provider.client_id}:
            raise BadRequest("invalid_request", "The client_id is another application's.")
    except OAuthError as error:
        raise BadRequest(error.code, error.description) from error
    session = await services.sessions.ensure(request, now)
    hint, target, refused = _taken(client, parameters)
    for what, fault in refused.items():
        listed = () if client is None else [entry.url for entry in client.provider.post_logout_redirect_uris]
        offered = parameters.get("post_logout_redirect_uri") if what == ADDRESS else None
        await report_refusal(request, services, fault, client=client, offered=offered, listed=listed)
    context: dict[str, object] = {} if client is None else {"application": _application(client)}
    if refused:
        context |= {NOTICES: list(refused), NOTICES_NUMBER: request.request_id}
    elif target is not None:
        context["redirect"] = target
    if session.user is not None:
        about = client is not None and hint is not None and await _is_about(services, client, session, hint)
        context[END] = True if about else ASK
    flow = _flow(request, services, client)
    back = request.prefix + "/" if client is None else _without_hint(request, parameters)
    return redirect(await services.engine.begin(request, session, flow, context=context, next_url=back, now=now))


def _without_hint(request: Request, parameters: Parameters) -> str:
    """Return the path of this request for the flow's URL, without the hint, which is a token."""
    pairs = [(name, value) for name, value in parameters.values.items() if name in _KEPT]
    query = urlencode(pairs, quote_via=quote)
    return f"{request.prefix}{request.path}" + (f"?{query}" if query else "")


async def end_session_post(request: Request, services: OAuth2Services) -> Response:
    """Answer a POST (section 2) by a redirect to the same request as a GET, which brings the cookie.

    A hint that is too long for an address is read here, and what it says goes on in a short one.
    """
    pairs = [*request.query_pairs(), *await request.form(POST_LIMIT)]
    client = _asking(request, services, pairs)
    short = [(name, _shortened(client, value) if name == "id_token_hint" else value) for name, value in pairs]
    return redirect(f"{request.prefix}{request.path}?{urlencode(short, quote_via=quote)}", 303)


def _shortened(client: Client | None, hint: str) -> str:
    """Return a short hint that identifies the same user and session, and has no other use."""
    if len(hint) <= MAX_LENGTH_IN_ADDRESS:
        return hint
    try:
        claims = _hint(client, hint)
    except HttpError:
        return _NOT_OURS
    if claims is None or client is None:
        return "." * _ENCRYPTED
    identity = {name: claims[name] for name in ("aud", "sub", "sid") if name in claims}
    return client.sign(codec.encode(identity), typ=_SHORT_TYP)


def _taken(
    client: Client | None, parameters: Parameters
) -> tuple[Mapping[str, object] | None, str | None, Mapping[str, HttpError]]:
    """Return the claims of the hint, the redirect URI, and the reasons why either was refused."""
    hint = target = None
    refused: dict[str, HttpError] = {}
    try:
        target = _target(client, parameters)
    except HttpError as error:
        refused[ADDRESS] = error
    try:
        hint = _hint(client, parameters.get("id_token_hint"))
    except HttpError as error:
        refused[HINT] = error
    return hint, target, refused


def _hint(client: Client | None, hint: str | None) -> Mapping[str, object] | None:
    """Return the claims of an ID token of this client, expired or not (section 2)."""
    if not hint or hint.count(".") == _ENCRYPTED:
        return None  # one that is encrypted only the client can read: the person is asked instead
    if client is None:
        raise BadRequest("invalid_request", "The id_token_hint is of no client with this issuer.")
    try:
        claims = verify_own(client.verifying, hint)
        typ = peek_header(hint).get("typ", _TYP)
    except JoseError as error:
        raise BadRequest("invalid_request", "The id_token_hint is not valid.") from error
    if typ not in {_TYP, _SHORT_TYP} or claims.get("aud") != client.provider.client_id:
        raise BadRequest("invalid_request", "The id_token_hint was issued to another application.")
    return claims


async def _is_about(services: OAuth2Services, client: Client, session: Session, hint: Mapping[str, object]) -> bool:
    """Return whether a hint is about the signed-in user (section 4), in this session or another one."""
    if hint.get("sid") == session_id(session.key):
        return True
    known = await clients_of_session(services.database, session.key)
    if any(item.provider == client.pk and hint.get("sub") == item.sub for item in known):
        return True
    subject = await services.users.subject(session.user) if session.user is not None else None
    return subject is not None and hint.get("sub") == sub_claim(subject, client, salt=services.users.install_id)


def _target(client: Client | None, parameters: Parameters) -> str | None:
    """Return the post-logout redirect URI, matched like redirect_uri (A06)."""
    uri = parameters.get("post_logout_redirect_uri")
    if uri is None:
        return None
    # guard: A06 the address after a sign-out must be listed
    if client is None or not is_allowed(uri, client.provider.post_logout_redirect_uris):
        raise BadRequest("invalid_request", "The application sent an address to return to that is not allowed.")
    state = parameters.get("state")
    return uri if state is None else with_query(uri, [("state", state)])


def _flow(request: Request, services: OAuth2Services, client: Client | None) -> Flow:
    snapshot = services.plane.snapshot
    brand = select(snapshot, request.host)
    own = None if client is None else client.provider.invalidation_flow
    for pk in (own, brand.flow_invalidation):
        flow = snapshot.get(Flow, pk) if pk is not None else None
        if flow is not None:
            return flow
    raise HttpError(404, "no_invalidation_flow", "No way to sign out is set up for this address.")


def _application(client: Client) -> dict[str, object]:
    item = client.application
    return {"pk": str(item.pk), "name": item.name, "slug": item.slug}
