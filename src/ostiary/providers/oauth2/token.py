"""The token endpoint, /application/o/token/ (RFC 6749 3.2): its phases, which no grant can skip.

Parse, the client and its proof, the grant, the person and the policies as they are now, issue, write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.errors import GrantGone, Raced
from ostiary.mappings.exceptions import exception_events
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide_application
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.answers import allow_origin, error_json, read_form, token_json
from ostiary.providers.oauth2.authentication import authenticate
from ostiary.providers.oauth2.granting import Asking, Granted, find_grant
from ostiary.providers.oauth2.issue import Issued, issue_tokens
from ostiary.store.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.store.database import Batch, Statement
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_ATTEMPTS: Final = 64  # of a refresh token that others use at the same moment; each loss means somebody else's success


async def token(request: Request, services: Services) -> Response:
    """Answer a token request."""
    client: Client | None = None
    try:
        parameters = await read_form(request)
        client = authenticate(request, parameters, services.plane.snapshot)
        grant = find_grant(parameters.need("grant_type"))
        asking = Asking(
            request=request, services=services, parameters=parameters, client=client, grant=grant, now=services.clock()
        )
        issued = await _serve(asking)
    except OAuthError as error:
        return allow_origin(request, error_json(request, error), client)
    return allow_origin(request, token_json(issued.answer.body()), client)


async def _serve(asking: Asking) -> Issued:
    """Take a request whose client proved to be one through the other phases. Raises OAuthError."""
    for _ in range(_ATTEMPTS):
        granted = await asking.grant.use(asking)
        subject = await _person(asking, granted)
        decision = await _decide(asking, granted, subject)
        issued = await _issue(asking, granted, subject)
        try:
            await _write(asking, granted, issued, decision, subject)
        except GrantGone:
            raise OAuthError(INVALID_GRANT, "ended while the tokens were made") from None
        except Raced:  # another request used the same refresh token in between: its state is read again
            continue
        return issued
    raise OAuthError(INVALID_GRANT, "raced too often")


async def _person(asking: Asking, granted: Granted) -> Subject:
    subject = await asking.services.users.subject(granted.authorization.user)
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_GRANT, "the person is gone or disabled")
    return subject


async def _decide(asking: Asking, granted: Granted, subject: Subject) -> Decision:
    facts = {"oauth_scopes": list(granted.scope), "oauth_grant_type": asking.grant.name}
    decision = await decide_application(
        subject=subject,
        application=asking.client.application,
        snapshot=asking.services.plane.snapshot,
        context=PolicyContext(now=asking.now, client_ip=asking.request.client, facts=facts),
    )
    if not decision.passing:
        raise OAuthError(INVALID_GRANT, "the application's policies refuse the person")
    return decision


async def _issue(asking: Asking, granted: Granted, subject: Subject) -> Issued:
    return await issue_tokens(
        asking.client,
        granted.authorization,
        subject,
        scope=granted.scope,
        issuer=asking.client.issuer(asking.request.base_url),
        rotate=granted.rotate,
        nonce=granted.nonce,
        now=asking.now,
    )


async def _write(asking: Asking, granted: Granted, issued: Issued, decision: Decision, subject: Subject) -> None:
    told: tuple[Statement, ...] = (
        *decision.events,
        *exception_events(
            issued.claims.unavailable, user=subject.user.who, client_ip=asking.request.client, now=asking.now
        ),
    )

    def batch() -> Batch[None]:
        yield from granted.store(issued)
        yield from run(told)

    await asking.services.database.write(batch)
