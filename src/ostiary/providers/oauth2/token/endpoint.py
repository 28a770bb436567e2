"""The token endpoint, /application/o/token/ (RFC 6749 3.2), as fixed phases that no grant can skip.

Parse, authenticate the client, verify its keys, the grant, the user and the policies as they are now, issue, store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.errors import GrantGone, Raced
from ostiary.mappings.mapping_events import mapping_statements
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.client_authentication.authentication import Presented, present, prove
from ostiary.providers.oauth2.client_authentication.dpop import offer_nonce
from ostiary.providers.oauth2.client_authentication.token_binding import new_binding
from ostiary.providers.oauth2.json_responses import allow_origin, error_json, read_form_parameters, token_json
from ostiary.providers.oauth2.refusals import report_refusal
from ostiary.providers.oauth2.token.registry import GRANTS, PROVE_THEMSELVES, find_grant, require_allowed_grant
from ostiary.providers.oauth2.token.request import GrantResult, TokenRequest
from ostiary.providers.oauth2.tokens.claims_context import mapping_context_for
from ostiary.providers.oauth2.tokens.issue import Issued, issue_tokens, new_refresh
from ostiary.signon.access import Access, decide_access
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.database import Batch, Statement
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_ATTEMPTS: Final = 64  # for a refresh token in concurrent use; each lost race is another request's success

ISSUED: Final = "issued"
UNKNOWN: Final = "unknown"
"""The grant of requests without one, or with one that does not exist, in counts."""


async def token(request: Request, services: OAuth2Services) -> Response:
    """Answer a token request."""
    client: Client | None = None
    grant = UNKNOWN
    try:
        parameters = await read_form_parameters(request)
        grant = parameters.get("grant_type") or UNKNOWN
        # guard: A68 an unknown grant type creates no time series
        grant = grant if grant in GRANTS else UNKNOWN
        presented = present(request, parameters, services)
        client = presented.client
        answer = token_json((await _serve(await _ask(request, services, parameters, presented))).answer.body())
        services.token_answers[grant, ISSUED] += 1
    except OAuthError as error:
        services.token_answers[grant, error.code] += 1
        await report_refusal(request, services, error, client=client)
        answer = error_json(request, error)
    return allow_origin(request, offer_nonce(request, answer, services), client)


async def _ask(
    request: Request, services: OAuth2Services, parameters: Parameters, presented: Presented
) -> TokenRequest:
    """Authenticate the client, and return its token request. Raises OAuthError."""
    grant_type = parameters.get("grant_type")
    if grant_type not in PROVE_THEMSELVES:
        await prove(presented, request, services)
    grant = find_grant(parameters.need("grant_type"))
    require_allowed_grant(presented.client, grant)
    return TokenRequest(
        request=request,
        services=services,
        parameters=parameters,
        client=presented.client,
        claim=presented.claim,
        grant=grant,
        now=services.clock(),
        binding=await new_binding(request, services, presented.client),
    )


async def _serve(token_request: TokenRequest) -> Issued:
    """Run the remaining phases for an authenticated client. Raises OAuthError."""
    for _ in range(_ATTEMPTS):
        granted = await token_request.grant.use(token_request)
        subject = await _person(token_request, granted)
        access = await _require_access(token_request, granted, subject)
        issued = await _issue(token_request, granted, subject)
        try:
            await _write(token_request, granted, issued, access, subject)
        except GrantGone:
            raise OAuthError(INVALID_GRANT, "ended while the tokens were made") from None
        except Raced:  # another request used the same refresh token meanwhile: read its state again
            continue
        return issued
    raise OAuthError(INVALID_GRANT, "raced too often")


async def _person(token_request: TokenRequest, granted: GrantResult) -> Subject:
    subject = granted.subject or await token_request.services.users.subject(granted.authorization.user)
    # guard: A58 the user is read again for every grant
    if subject is None or not subject.user.is_active:
        raise OAuthError(INVALID_GRANT, "the person is gone or disabled")
    return subject


async def _require_access(token_request: TokenRequest, granted: GrantResult, subject: Subject) -> Access:
    facts = {"oauth_scopes": list(granted.scope), "oauth_grant_type": token_request.grant.name, **granted.facts}
    access = await decide_access(
        subject=subject,
        application=token_request.client.application,
        snapshot=token_request.services.plane.snapshot,
        client_ip=token_request.request.client,
        now=token_request.now,
        policy_services=token_request.services.policy_services,
        request=token_request.request,
        facts=facts,
    )
    # guard: A19 a refresh evaluates the policies again
    # guard: A18 the policies are evaluated for a federated user
    if not access.allowed:
        error = OAuthError(INVALID_GRANT, "the application's policies refuse the person")
        error.trace = access.data
        raise error
    return access


async def _issue(token_request: TokenRequest, granted: GrantResult, subject: Subject) -> Issued:
    return await issue_tokens(
        token_request.client,
        granted.authorization,
        subject,
        mapping_context=mapping_context_for(
            token_request.client, token_request.services, token_request.request, now=token_request.now
        ),
        scope=granted.scope,
        issuer=token_request.client.issuer(token_request.request.base_url),
        refresh=(granted.successor or new_refresh()) if granted.rotate else None,
        nonce=granted.nonce,
        now=token_request.now,
        binding=token_request.binding,
        identify=granted.identify,
        resources=granted.resources,
        until=granted.until,
    )


async def _write(
    token_request: TokenRequest, granted: GrantResult, issued: Issued, access: Access, subject: Subject
) -> None:
    statements: tuple[Statement, ...] = (
        *granted.audit_events,
        *access.events,
        *mapping_statements(
            issued.claims,
            user=subject.user.who,
            client_ip=token_request.request.client,
            now=token_request.now,
        ),
    )

    def batch() -> Batch[None]:
        yield from granted.store(issued)
        yield from run(statements)

    await token_request.services.database.write(batch)
