"""The steps of an authorization request, on one screen: what is checked, in which order, for which arrival.

A step answers None to go on, or the response. Errors before the target is trusted are pages, later ones are sent to
the client. Pushed requests are checked by the same functions when they are pushed, and again when a browser comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
from ostiary.proto.oauth2.errors import ACCESS_DENIED, LOGIN_REQUIRED, UNMET_AUTHENTICATION, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.providers.oauth2.authorize.interactions import authorization, sign_in
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
from ostiary.signon.authorization import check_access
from ostiary.signon.completion import find_arrival, is_declined
from ostiary.signon.context import ANOTHER, Arrival, CannotContinue, RelyingParty
from ostiary.signon.endpoint import ALWAYS, BEFORE_CONSENT, BEFORE_SIGN_IN, Step
from ostiary.signon.person import find_person
from ostiary.web.errors import BadRequest

if TYPE_CHECKING:
    from ostiary.providers.oauth2.authorize.authorization_context import AuthorizationContext
    from ostiary.web.response import Response

_WEB: Final = ("https://", "http://")
_SECOND: Final = 1_000_000
_AGAIN: Final = frozenset({"login", "select_account"})


async def _client(context: AuthorizationContext) -> Response | None:
    """RFC 6749 4.1.2.1: an unknown client is a page for the person, never a redirect to the address it sent."""
    parameters = context.parameters
    client_id = None if "client_id" in parameters.repeated else parameters.values.get("client_id")
    client = context.known_client = client_by_id(context.snapshot, client_id or "")
    if client is None:
        raise BadRequest("invalid_client", "The application is not known here (client_id).")
    context.known_party = RelyingParty(client.provider, client.application)
    return None


async def _parameters(context: AuthorizationContext) -> Response | None:
    """Pushed and signed requests. Their own errors go to the redirect_uri beside them, if there is one."""
    beside = context.parameters
    try:
        await find_parameters(context)
    except OAuthError:
        uri = _sent_uri(beside)
        if uri is not None and context.client.may_redirect_to(uri):
            context.known_target = parse_target(beside, uri)
        raise
    return None


async def _redirect_uri(context: AuthorizationContext) -> Response | None:
    """RFC 9700 2.1: nothing is sent to an address that the administrator has not allowed."""
    uri = _sent_uri(context.parameters)
    # guard: A01 an unlisted redirect address is shown, not followed
    if uri is None or not context.client.may_redirect_to(uri):
        raise BadRequest("invalid_redirect_uri", "The application sent an address to return to that is not allowed.")
    context.known_target = parse_target(context.parameters, uri)
    return None


async def _request(context: AuthorizationContext) -> Response | None:
    context.known_request = parse_request(context.parameters)
    require_allowed_request(context.client, context.wanted)
    known = known_scopes(name for name, _ in context.pairs)
    context.scope = scope_of(context.client, context.wanted, known=known)
    require_possible_expectations(context)
    return None


async def _signed_in(context: AuthorizationContext) -> Response | None:
    return None if await find_person(context) else await sign_in(context)


async def _arrival(context: AuthorizationContext) -> Response | None:
    """A person who said no is an answer as well (RFC 6749 4.1.2.1)."""
    if await is_declined(context):
        raise OAuthError(ACCESS_DENIED, "the person did not allow it")
    await find_arrival(context)
    return None


async def _fresh_enough(context: AuthorizationContext) -> Response | None:
    """Core 3.1.2.1, prompt=login, select_account and max_age: sign in again, once for each request."""
    session, _ = context.signed_in
    max_age = context.wanted.max_age
    stale = session.auth_time is None or (max_age is not None and context.now - session.auth_time >= max_age * _SECOND)
    if stale or context.wanted.prompt & _AGAIN or context.returning_from == ANOTHER:
        return await sign_in(context)
    return None


async def _expected(context: AuthorizationContext) -> Response | None:
    """Core 3.1.2.1, id_token_hint, and 5.5.1: somebody else may sign in, once; then the answer is an error."""
    if is_expected(context):
        return None
    if context.arrival is Arrival.FIRST:
        return await sign_in(context)
    raise OAuthError(LOGIN_REQUIRED, "another person is signed in than the application expects")


async def _strong_enough(context: AuthorizationContext) -> Response | None:
    """Core 5.5.1.1, an essential acr: sign in again, once, which may ask for more; then the answer is an error."""
    # guard: A36 an essential authentication class is reached or the request refused
    if is_strong_enough(context):
        return None
    if context.arrival is Arrival.FIRST:
        return await sign_in(context)
    raise OAuthError(UNMET_AUTHENTICATION, "the sign-in is not of the class that is essential")


async def _allowed(context: AuthorizationContext) -> Response | None:
    """The application's policies. A refusal is a page of ours: the client learns nothing (as authentik).

    With prompt=none no page may be shown (Core 3.1.2.1): then it is an error.
    """
    refusal = await check_access(context, _facts(context))
    if refusal is not None:
        if "none" in context.wanted.prompt:
            raise OAuthError(ACCESS_DENIED, "the application's policies refuse the person")
        raise refusal
    return None


async def _complete(context: AuthorizationContext) -> Response | None:
    plain = context.target.delivery != "form_post" and context.target.redirect_uri.startswith(_WEB)
    if context.redirect_only and not plain:
        raise CannotContinue  # a page of a flow leads to redirects only, and opens no program
    return await complete(context)


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


# fmt: off
STEPS: Final[tuple[Step[AuthorizationContext], ...]] = (
    #    check           first  signed in  resumed
    Step(_client,        ALWAYS, reads=True),  # every time: the configuration may have changed meanwhile
    Step(_parameters,    ALWAYS, reads=True),
    Step(_redirect_uri,  ALWAYS, reads=True),
    Step(_request,       ALWAYS, reads=True),
    Step(_signed_in,     ALWAYS),
    Step(_arrival,       ALWAYS),              # decides between the columns
    Step(_fresh_enough,  BEFORE_SIGN_IN),
    Step(_expected,      ALWAYS),
    Step(_strong_enough, ALWAYS),
    Step(_allowed,       ALWAYS),
    Step(authorization,  BEFORE_CONSENT),
    Step(_complete,      ALWAYS),
)
# fmt: on
