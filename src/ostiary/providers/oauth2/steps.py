"""The steps of an authorization request, on one screen: what is checked, in which order, for which entry.

A step answers None to go on, or the response. Errors before the target is trusted are pages, later ones redirects.
Other ways in (device, pushed requests) will be further entries, that is columns.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from ostiary.grants.code import Code, issue_code
from ostiary.grants.family import Authorization
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import decide_application
from ostiary.proto.oauth2.authorize import answer_url, parse_request, parse_target
from ostiary.proto.oauth2.errors import (
    INVALID_REQUEST,
    LOGIN_REQUIRED,
    OAuthError,
)
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS, grant_scopes
from ostiary.providers.oauth2 import journeys
from ostiary.providers.oauth2.batches import write_all
from ostiary.providers.oauth2.claims import session_id, subject_of
from ostiary.providers.oauth2.client import client_by_id, offered_scopes
from ostiary.providers.oauth2.events import authorized
from ostiary.providers.oauth2.inquiry import RETURN, Entry, Inquiry
from ostiary.store.hashing import new_token, token_hash
from ostiary.web.errors import BadRequest, HttpError
from ostiary.web.response import Response, redirect

_SECOND: Final = 1_000_000


async def _client(inquiry: Inquiry) -> Response | None:
    """RFC 6749 4.1.2.1: an unknown client is told to the person, never to an address that came with the request."""
    parameters = inquiry.parameters
    client_id = None if "client_id" in parameters.repeated else parameters.values.get("client_id")
    inquiry.client_found = client_by_id(inquiry.snapshot, client_id or "")
    if inquiry.client_found is None:
        raise BadRequest("invalid_client", "The application is not known here (client_id).")
    return None


async def _redirect_uri(inquiry: Inquiry) -> Response | None:
    """RFC 9700 2.1: nothing is sent to an address that the administrator has not allowed."""
    parameters = inquiry.parameters
    uri = None if "redirect_uri" in parameters.repeated else parameters.values.get("redirect_uri")
    if uri is None or not inquiry.client.may_redirect_to(uri):
        raise BadRequest("invalid_redirect_uri", "The application sent an address to return to that is not allowed.")
    inquiry.target = parse_target(parameters, uri)
    return None


async def _request(inquiry: Inquiry) -> Response | None:
    inquiry.wanted_found = parse_request(inquiry.parameters)
    return None


async def _scope(inquiry: Inquiry) -> Response | None:
    """Unknown scopes are dropped, none at all means all, as authentik does. The answer names what was granted."""
    asked = inquiry.wanted.scope
    inquiry.scope = grant_scopes(asked, offered_scopes(inquiry.client) if asked else inquiry.client.scopes)
    return None


async def _signed_in(inquiry: Inquiry) -> Response | None:
    services = inquiry.services
    inquiry.session = await services.gate.read(inquiry.request, inquiry.now)
    if inquiry.session is not None and inquiry.session.user is not None:
        subject = await services.users.subject(inquiry.session.user)
        inquiry.subject_found = subject if subject is not None and subject.user.is_active else None
    if inquiry.subject_found is None:
        return await _sign_in(inquiry)
    return None


async def _entry(inquiry: Inquiry) -> Response | None:
    """Find out whether a flow of ours was passed for this very request. The proof is used up."""
    session, subject = inquiry.signed_in
    match inquiry.parameters.values.get(RETURN):
        case "sign-in":
            key, entry = inquiry.sign_in_proof(), Entry.SIGNED_IN
        case "authorize":
            key, entry = inquiry.consent_proof(subject.user.pk), Entry.RESUMED
        case _:
            return None
    if await inquiry.services.engine.completed(session, key, now=inquiry.now):
        inquiry.entry = entry
    return None


async def _fresh_enough(inquiry: Inquiry) -> Response | None:
    """Core 3.1.2.1, prompt=login and max_age: sign in again, once for each request."""
    session, _ = inquiry.signed_in
    max_age = inquiry.wanted.max_age
    stale = session.auth_time is None or (max_age is not None and inquiry.now - session.auth_time >= max_age * _SECOND)
    if stale or "login" in inquiry.wanted.prompt:
        return await _sign_in(inquiry)
    return None


async def _allowed(inquiry: Inquiry) -> Response | None:
    """The application's policies. A refusal is a page of ours: the client learns nothing (as authentik)."""
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
        message = " ".join(decision.messages) or "You have no access to this application."
        raise HttpError(200, "access_denied", message)
    return None


async def _authorization_flow(inquiry: Inquiry) -> Response | None:
    return await journeys.authorization(inquiry)


async def _issue(inquiry: Inquiry) -> Response | None:
    session, subject = inquiry.signed_in
    client, wanted, target = inquiry.client, inquiry.wanted, inquiry.target
    if target is None:  # pragma: no cover - the order of the table
        raise OAuthError(INVALID_REQUEST)
    code = new_token()
    authorization = Authorization(
        family=new_token(128),
        provider=client.pk,
        user=subject.user.pk,
        session=session.key,
        offline=OFFLINE_ACCESS in inquiry.scope,
        scope=inquiry.scope,
        nonce=wanted.nonce,
        auth_time=session.auth_time or inquiry.now,
        amr=session.amr,
        sid=session_id(session.key),
        sub=subject_of(subject, client.provider.sub_mode),
    )
    stored = Code(
        authorization=authorization,
        redirect_uri=target.redirect_uri,
        challenge=wanted.challenge.value if wanted.challenge else None,
        challenge_method=wanted.challenge.method if wanted.challenge else None,
    )
    now, expires = inquiry.now, inquiry.now + client.code_lifetime
    event = authorized(client, subject, scope=inquiry.scope, client_ip=inquiry.request.client, now=now)
    await write_all(inquiry.services.database, [*issue_code(token_hash(code), stored, now=now, expires=expires), event])
    return redirect(answer_url(target, [("code", code)], issuer=inquiry.issuer), 302)


async def _sign_in(inquiry: Inquiry) -> Response:
    if "none" in inquiry.wanted.prompt:
        raise OAuthError(LOGIN_REQUIRED)
    return await journeys.sign_in(inquiry)


def _facts(inquiry: Inquiry) -> dict[str, object]:
    values = inquiry.parameters.values
    return {
        "oauth_scopes": list(inquiry.scope),
        "oauth_grant_type": "authorization_code",
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
    Step(_redirect_uri,        _ALL),
    Step(_request,             _ALL),
    Step(_scope,               _ALL),
    Step(_signed_in,           _ALL),
    Step(_entry,               _ALL),            # decides between the columns
    Step(_fresh_enough,        _BEFORE_SIGN_IN),
    Step(_allowed,             _ALL),
    Step(_authorization_flow,  _BEFORE_CONSENT),
    Step(_issue,               _ALL),
)
# fmt: on
