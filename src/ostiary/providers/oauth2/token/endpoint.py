"""The token endpoint, /application/o/token/ (RFC 6749 3.2): its phases, which no grant can skip.

Parse, the client and its proof, its keys, the grant, the person and the policies as they are now, issue, write.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.errors import GrantGone, Raced
from ostiary.mappings.exceptions import exception_events
from ostiary.policies.context import PolicyContext
from ostiary.policies.decide import Decision, decide_application
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import Presented, present, prove
from ostiary.providers.oauth2.client_authentication.dpop import offer_nonce
from ostiary.providers.oauth2.client_authentication.token_binding import new_binding
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form, token_json
from ostiary.providers.oauth2.refusals import tell
from ostiary.providers.oauth2.token.registry import PROVE_THEMSELVES, check_allowed, find_grant
from ostiary.providers.oauth2.token.request import Asking, Granted
from ostiary.providers.oauth2.tokens.issue import Issued, issue_tokens, new_refresh
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
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
        presented = present(request, parameters, services)
        client = presented.client
        answer = token_json((await _serve(await _ask(request, services, parameters, presented))).answer.body())
    except OAuthError as error:
        await tell(request, services, error, client=client)
        answer = error_json(request, error)
    return allow_origin(request, offer_nonce(request, answer, services), client)


async def _ask(request: Request, services: Services, parameters: Parameters, presented: Presented) -> Asking:
    """Check the client, the grant it asks for, and the keys it shows. Raises OAuthError."""
    wanted = parameters.get("grant_type")
    if wanted not in PROVE_THEMSELVES:
        await prove(presented, request, services)
    grant = find_grant(parameters.need("grant_type"))
    check_allowed(presented.client, grant)
    return Asking(
        request=request,
        services=services,
        parameters=parameters,
        client=presented.client,
        claim=presented.claim,
        grant=grant,
        now=services.clock(),
        binding=await new_binding(request, services, presented.client),
    )


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
    subject = granted.subject or await asking.services.users.subject(granted.authorization.user)
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_GRANT, "the person is gone or disabled")
    return subject


async def _decide(asking: Asking, granted: Granted, subject: Subject) -> Decision:
    facts = {"oauth_scopes": list(granted.scope), "oauth_grant_type": asking.grant.name, **granted.facts}
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
        refresh=(granted.successor or new_refresh()) if granted.rotate else None,
        nonce=granted.nonce,
        now=asking.now,
        binding=asking.binding,
        identify=granted.identify,
        resources=granted.resources,
        until=granted.until,
    )


async def _write(asking: Asking, granted: Granted, issued: Issued, decision: Decision, subject: Subject) -> None:
    told: tuple[Statement, ...] = (
        *granted.told,
        *decision.events,
        *exception_events(
            issued.claims.unavailable, user=subject.user.who, client_ip=asking.request.client, now=asking.now
        ),
    )

    def batch() -> Batch[None]:
        yield from granted.store(issued)
        yield from run(told)

    await asking.services.database.write(batch)
