"""The steps of an authorization request, on one screen: what is checked, in which order, for which entry.

A step answers None to go on, or the response. Errors before the target is trusted are pages, later ones are sent to
the client. Pushed requests are checked by the same functions when they are pushed, and again when a browser comes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from ostiary.flows.people.subjects import subject_of
from ostiary.flows.plans.beginning import beside_proof
from ostiary.flows.run.decline import declined_proof
from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
from ostiary.proto.oauth2.errors import ACCESS_DENIED, LOGIN_REQUIRED, UNMET_AUTHENTICATION, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.providers.oauth2.authorize import interactions
from ostiary.providers.oauth2.authorize.context import ANOTHER, AuthorizationContext, Entry, NotContinued
from ostiary.providers.oauth2.authorize.issuing import complete, flow_name
from ostiary.providers.oauth2.authorize.request_parameters import find_parameters
from ostiary.providers.oauth2.authorize.subject_hints import (
    is_expected,
    is_strong_enough,
    require_possible_expectations,
)
from ostiary.providers.oauth2.authorize.validation import require_allowed_request, scope_of
from ostiary.providers.oauth2.protected.github import known_scopes
from ostiary.providers.oauth2.provider.client import client_by_id
from ostiary.record import dataclass
from ostiary.signon.access import find_refusal
from ostiary.web.errors import BadRequest
from ostiary.web.response import Response

if TYPE_CHECKING:
    from ostiary.sessions.session import Session

_WEB: Final = ("https://", "http://")
_SECOND: Final = 1_000_000
_AGAIN: Final = frozenset({"login", "select_account"})


async def _client(context: AuthorizationContext) -> Response | None:
    """RFC 6749 4.1.2.1: an unknown client is told to the person, never to an address that came with the request."""
    parameters = context.parameters
    client_id = None if "client_id" in parameters.repeated else parameters.values.get("client_id")
    context.client_found = client_by_id(context.snapshot, client_id or "")
    if context.client_found is None:
        raise BadRequest("invalid_client", "The application is not known here (client_id).")
    return None


async def _parameters(context: AuthorizationContext) -> Response | None:
    """Pushed and signed requests. What is wrong with those themselves is told to the address beside them, if any."""
    beside = context.parameters
    try:
        await find_parameters(context)
    except OAuthError:
        uri = _sent_uri(beside)
        if uri is not None and context.client.may_redirect_to(uri):
            context.target = parse_target(beside, uri)
        raise
    return None


async def _redirect_uri(context: AuthorizationContext) -> Response | None:
    """RFC 9700 2.1: nothing is sent to an address that the administrator has not allowed."""
    uri = _sent_uri(context.parameters)
    # guard: A01 an address that is not allowed is told to the person, not followed
    if uri is None or not context.client.may_redirect_to(uri):
        raise BadRequest("invalid_redirect_uri", "The application sent an address to return to that is not allowed.")
    context.target = parse_target(context.parameters, uri)
    return None


async def _request(context: AuthorizationContext) -> Response | None:
    context.wanted_found = parse_request(context.parameters)
    require_allowed_request(context.client, context.wanted)
    known = known_scopes(name for name, _ in context.pairs)
    context.scope = scope_of(context.client, context.wanted, known=known)
    require_possible_expectations(context)
    return None


async def _signed_in(context: AuthorizationContext) -> Response | None:
    services = context.services
    pending = context.pending
    context.session = (
        pending.session if pending is not None else await services.sessions.read(context.request, context.now)
    )
    if context.session is not None and context.session.user is not None:
        subject = await subject_of(services.users, context.request, context.session.user)
        context.subject_found = subject if subject is not None and subject.user.is_active else None
    if context.subject_found is None:
        return await _sign_in(context)
    return None


async def _entry(context: AuthorizationContext) -> Response | None:
    """Find out whether a flow of ours was passed for this very request. The proof is used up.

    A person who said no is an answer as well (RFC 6749 4.1.2.1).
    """
    session, subject = context.signed_in
    if context.coming_from == "declined" and context.pending is None:
        no = declined_proof(context.consent_proof(subject.user.pk))
        if await context.services.engine.completed(session, no, now=context.now):
            raise OAuthError(ACCESS_DENIED, "the person did not allow it")
    found = {
        "sign-in": (context.sign_in_proof, Entry.SIGNED_IN),
        "authorize": (lambda: context.consent_proof(subject.user.pk), Entry.RESUMED),
    }.get(context.coming_from or "")
    if found is None and context.pending is not None:
        raise NotContinued
    if found is not None:
        key, entry = found
        if await _is_proven(context, session, key()):
            context.entry = entry
    if context.late is not None and context.entry is Entry.FIRST:
        if not await _began_here(context, session):
            raise context.late
        context.late = None
    return None


async def _began_here(context: AuthorizationContext, session: Session) -> bool:
    """Tell whether this browser began the sign-in of this request, and somebody signed in beside it."""
    if context.coming_from != "sign-in" or context.pending is not None:
        return False
    key = beside_proof(context.sign_in_proof())
    return await context.services.engine.completed(session, key, now=context.now)


async def _is_proven(context: AuthorizationContext, session: Session, key: str) -> bool:
    """Tell whether the flow was passed: its end is at hand, or left its proof. Raises NotTakenUp for another's end."""
    if context.pending is None:
        return await context.services.engine.completed(session, key, now=context.now)
    if context.pending.completion != key:
        raise NotContinued
    return True


async def _fresh_enough(context: AuthorizationContext) -> Response | None:
    """Core 3.1.2.1, prompt=login, select_account and max_age: sign in again, once for each request."""
    session, _ = context.signed_in
    max_age = context.wanted.max_age
    stale = session.auth_time is None or (max_age is not None and context.now - session.auth_time >= max_age * _SECOND)
    if stale or context.wanted.prompt & _AGAIN or context.coming_from == ANOTHER:
        return await _sign_in(context)
    return None


async def _expected(context: AuthorizationContext) -> Response | None:
    """Core 3.1.2.1, id_token_hint, and 5.5.1: somebody else may sign in, once; then the answer is an error."""
    if is_expected(context):
        return None
    if context.entry is Entry.FIRST:
        return await _sign_in(context)
    raise OAuthError(LOGIN_REQUIRED, "another person is signed in than the application expects")


async def _strong_enough(context: AuthorizationContext) -> Response | None:
    """Core 5.5.1.1, an essential acr: sign in again, once, which may ask for more; then the answer is an error."""
    # guard: A36 an essential class is reached or refused
    if is_strong_enough(context):
        return None
    if context.entry is Entry.FIRST:
        return await _sign_in(context)
    raise OAuthError(UNMET_AUTHENTICATION, "the sign-in is not of the class that is essential")


async def _allowed(context: AuthorizationContext) -> Response | None:
    """The application's policies. A refusal is a page of ours: the client learns nothing (as authentik).

    With prompt=none no page may be shown (Core 3.1.2.1): then it is an error.
    """
    _, subject = context.signed_in
    refusal = await find_refusal(
        context.request,
        context.services,
        subject=subject,
        application=context.client.application,
        snapshot=context.snapshot,
        facts=_facts(context),
        now=context.now,
        another=context.return_url(ANOTHER),
    )
    if refusal is not None:
        if "none" in context.wanted.prompt:
            raise OAuthError(ACCESS_DENIED, "the application's policies refuse the person")
        raise refusal
    return None


async def _authorization_flow(context: AuthorizationContext) -> Response | None:
    return await interactions.authorization(context)


async def _complete(context: AuthorizationContext) -> Response | None:
    plain = context.trusted.delivery != "form_post" and context.trusted.redirect_uri.startswith(_WEB)
    if context.at_once and not plain:
        raise NotContinued  # a page of a flow leads to redirects only, and opens no program
    return await complete(context)


async def _sign_in(context: AuthorizationContext) -> Response:
    if context.pending is not None:
        raise NotContinued
    if context.late is not None:
        raise context.late
    if "none" in context.wanted.prompt:
        raise OAuthError(LOGIN_REQUIRED)
    return await interactions.sign_in(context)


def _sent_uri(parameters: Parameters) -> str | None:
    return None if "redirect_uri" in parameters.repeated else parameters.values.get("redirect_uri")


def _facts(context: AuthorizationContext) -> dict[str, object]:
    values = context.parameters.values
    return {
        "oauth_scopes": list(context.scope),
        "oauth_grant_type": flow_name(context),
        "oauth_code_challenge": values.get("code_challenge"),
        "oauth_code_challenge_method": values.get("code_challenge_method"),
        "oauth_max_age": context.wanted.max_age,
        "oauth_redirect_uri": values.get("redirect_uri"),
        "oauth_response_type": values.get("response_type"),
    }


@dataclass(frozen=True, slots=True)
class Step:
    """One row: the check, and the entries it is made at."""

    take: Callable[[AuthorizationContext], Awaitable[Response | None]]
    at: frozenset[Entry]


_ALL: Final = frozenset(Entry)
_BEFORE_SIGN_IN: Final = frozenset({Entry.FIRST})
_BEFORE_CONSENT: Final = frozenset({Entry.FIRST, Entry.SIGNED_IN})

# fmt: off
STEPS: Final[tuple[Step, ...]] = (
    #    check                 first  signed in  resumed
    Step(_client,              _ALL),            # every time: the configuration may have changed meanwhile
    Step(_parameters,          _ALL),
    Step(_redirect_uri,        _ALL),
    Step(_request,             _ALL),
    Step(_signed_in,           _ALL),
    Step(_entry,               _ALL),            # decides between the columns
    Step(_fresh_enough,        _BEFORE_SIGN_IN),
    Step(_expected,            _ALL),
    Step(_strong_enough,       _ALL),
    Step(_allowed,             _ALL),
    Step(_authorization_flow,  _BEFORE_CONSENT),
    Step(_complete,            _ALL),
)
# fmt: on

READING: Final = (_client, _parameters, _redirect_uri, _request)
"""What makes a request known before anybody is signed in."""
