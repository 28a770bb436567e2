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
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide_application
from ostiary.proto.oauth2.authorization.request import parse_request, parse_target
from ostiary.proto.oauth2.errors import ACCESS_DENIED, LOGIN_REQUIRED, UNMET_AUTHENTICATION, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.providers.oauth2.authorize import interactions
from ostiary.providers.oauth2.authorize.context import ANOTHER, Entry, Inquiry, NotTakenUp
from ostiary.providers.oauth2.authorize.issuing import complete, flow_name
from ostiary.providers.oauth2.authorize.request_parameters import find_parameters
from ostiary.providers.oauth2.authorize.subject_hints import check_expectations, is_expected, is_strong_enough
from ostiary.providers.oauth2.authorize.validation import check_wanted, scope_of
from ostiary.providers.oauth2.protected.github import known_scopes
from ostiary.providers.oauth2.provider.client import client_by_id
from ostiary.record import dataclass
from ostiary.store.workspace.commit import write_all
from ostiary.web.errors import BadRequest, NoAccess
from ostiary.web.response import Response

if TYPE_CHECKING:
    from ostiary.sessions.session import Session

_WEB: Final = ("https://", "http://")
_SECOND: Final = 1_000_000
_AGAIN: Final = frozenset({"login", "select_account"})


async def _client(inquiry: Inquiry) -> Response | None:
    """RFC 6749 4.1.2.1: an unknown client is told to the person, never to an address that came with the request."""
    parameters = inquiry.parameters
    client_id = None if "client_id" in parameters.repeated else parameters.values.get("client_id")
    inquiry.client_found = client_by_id(inquiry.snapshot, client_id or "")
    if inquiry.client_found is None:
        raise BadRequest("invalid_client", "The application is not known here (client_id).")
    return None


async def _parameters(inquiry: Inquiry) -> Response | None:
    """Pushed and signed requests. What is wrong with those themselves is told to the address beside them, if any."""
    beside = inquiry.parameters
    try:
        await find_parameters(inquiry)
    except OAuthError:
        uri = _sent_uri(beside)
        if uri is not None and inquiry.client.may_redirect_to(uri):
            inquiry.target = parse_target(beside, uri)
        raise
    return None


async def _redirect_uri(inquiry: Inquiry) -> Response | None:
    """RFC 9700 2.1: nothing is sent to an address that the administrator has not allowed."""
    uri = _sent_uri(inquiry.parameters)
    if uri is None or not inquiry.client.may_redirect_to(uri):
        raise BadRequest("invalid_redirect_uri", "The application sent an address to return to that is not allowed.")
    inquiry.target = parse_target(inquiry.parameters, uri)
    return None


async def _request(inquiry: Inquiry) -> Response | None:
    inquiry.wanted_found = parse_request(inquiry.parameters)
    check_wanted(inquiry.client, inquiry.wanted)
    known = known_scopes(name for name, _ in inquiry.pairs)
    inquiry.scope = scope_of(inquiry.client, inquiry.wanted, known=known)
    check_expectations(inquiry)
    return None


async def _signed_in(inquiry: Inquiry) -> Response | None:
    services = inquiry.services
    due = inquiry.due
    inquiry.session = due.session if due is not None else await services.gate.read(inquiry.request, inquiry.now)
    if inquiry.session is not None and inquiry.session.user is not None:
        subject = await subject_of(services.users, inquiry.request, inquiry.session.user)
        inquiry.subject_found = subject if subject is not None and subject.user.is_active else None
    if inquiry.subject_found is None:
        return await _sign_in(inquiry)
    return None


async def _entry(inquiry: Inquiry) -> Response | None:
    """Find out whether a flow of ours was passed for this very request. The proof is used up.

    A person who said no is an answer as well (RFC 6749 4.1.2.1).
    """
    session, subject = inquiry.signed_in
    if inquiry.coming_from == "declined" and inquiry.due is None:
        no = declined_proof(inquiry.consent_proof(subject.user.pk))
        if await inquiry.services.engine.completed(session, no, now=inquiry.now):
            raise OAuthError(ACCESS_DENIED, "the person did not allow it")
    found = {
        "sign-in": (inquiry.sign_in_proof, Entry.SIGNED_IN),
        "authorize": (lambda: inquiry.consent_proof(subject.user.pk), Entry.RESUMED),
    }.get(inquiry.coming_from or "")
    if found is None and inquiry.due is not None:
        raise NotTakenUp
    if found is not None:
        key, entry = found
        if await _is_proven(inquiry, session, key()):
            inquiry.entry = entry
    if inquiry.late is not None and inquiry.entry is Entry.FIRST:
        if not await _began_here(inquiry, session):
            raise inquiry.late
        inquiry.late = None
    return None


async def _began_here(inquiry: Inquiry, session: Session) -> bool:
    """Tell whether this browser began the sign-in of this request, and somebody signed in beside it."""
    if inquiry.coming_from != "sign-in" or inquiry.due is not None:
        return False
    key = beside_proof(inquiry.sign_in_proof())
    return await inquiry.services.engine.completed(session, key, now=inquiry.now)


async def _is_proven(inquiry: Inquiry, session: Session, key: str) -> bool:
    """Tell whether the flow was passed: its end is at hand, or left its proof. Raises NotTakenUp for another's end."""
    if inquiry.due is None:
        return await inquiry.services.engine.completed(session, key, now=inquiry.now)
    if inquiry.due.completion != key:
        raise NotTakenUp
    return True


async def _fresh_enough(inquiry: Inquiry) -> Response | None:
    """Core 3.1.2.1, prompt=login, select_account and max_age: sign in again, once for each request."""
    session, _ = inquiry.signed_in
    max_age = inquiry.wanted.max_age
    stale = session.auth_time is None or (max_age is not None and inquiry.now - session.auth_time >= max_age * _SECOND)
    if stale or inquiry.wanted.prompt & _AGAIN or inquiry.coming_from == ANOTHER:
        return await _sign_in(inquiry)
    return None


async def _expected(inquiry: Inquiry) -> Response | None:
    """Core 3.1.2.1, id_token_hint, and 5.5.1: somebody else may sign in, once; then the answer is an error."""
    if is_expected(inquiry):
        return None
    if inquiry.entry is Entry.FIRST:
        return await _sign_in(inquiry)
    raise OAuthError(LOGIN_REQUIRED, "another person is signed in than the application expects")


async def _strong_enough(inquiry: Inquiry) -> Response | None:
    """Core 5.5.1.1, an essential acr: sign in again, once, which may ask for more; then the answer is an error."""
    if is_strong_enough(inquiry):
        return None
    if inquiry.entry is Entry.FIRST:
        return await _sign_in(inquiry)
    raise OAuthError(UNMET_AUTHENTICATION, "the sign-in is not of the class that is essential")


async def _allowed(inquiry: Inquiry) -> Response | None:
    """The application's policies. A refusal is a page of ours: the client learns nothing (as authentik).

    With prompt=none no page may be shown (Core 3.1.2.1): then it is an error.
    """
    _, subject = inquiry.signed_in
    decision = await decide_application(
        subject=subject,
        application=inquiry.client.application,
        snapshot=inquiry.snapshot,
        context=PolicyContext(now=inquiry.now, client_ip=inquiry.request.client, facts=_facts(inquiry)),
    )
    if decision.events:
        await write_all(inquiry.services.database, decision.events)
    if not decision.passing:
        if "none" in inquiry.wanted.prompt:
            raise OAuthError(ACCESS_DENIED, "the application's policies refuse the person")
        message = " ".join(decision.messages) or "You have no access to this application."
        raise NoAccess(
            message,
            application=inquiry.client.application.name,
            account=subject.user.username,
            another=inquiry.return_url(ANOTHER),
        )
    return None


async def _authorization_flow(inquiry: Inquiry) -> Response | None:
    return await interactions.authorization(inquiry)


async def _complete(inquiry: Inquiry) -> Response | None:
    plain = inquiry.trusted.delivery != "form_post" and inquiry.trusted.redirect_uri.startswith(_WEB)
    if inquiry.at_once and not plain:
        raise NotTakenUp  # a page of a flow leads to redirects only, and opens no program
    return await complete(inquiry)


async def _sign_in(inquiry: Inquiry) -> Response:
    if inquiry.due is not None:
        raise NotTakenUp
    if inquiry.late is not None:
        raise inquiry.late
    if "none" in inquiry.wanted.prompt:
        raise OAuthError(LOGIN_REQUIRED)
    return await interactions.sign_in(inquiry)


def _sent_uri(parameters: Parameters) -> str | None:
    return None if "redirect_uri" in parameters.repeated else parameters.values.get("redirect_uri")


def _facts(inquiry: Inquiry) -> dict[str, object]:
    values = inquiry.parameters.values
    return {
        "oauth_scopes": list(inquiry.scope),
        "oauth_grant_type": flow_name(inquiry),
        "oauth_code_challenge": values.get("code_challenge"),
        "oauth_code_challenge_method": values.get("code_challenge_method"),
        "oauth_max_age": inquiry.wanted.max_age,
        "oauth_redirect_uri": values.get("redirect_uri"),
        "oauth_response_type": values.get("response_type"),
    }


@dataclass(frozen=True, slots=True)
class Step:
    """One row: the check, and the entries it is made at."""

    take: Callable[[Inquiry], Awaitable[Response | None]]
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
