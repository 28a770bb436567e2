"""The token request that a grant gets, and the grant result that it returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, NoReturn

from ostiary.grants.binding import UNBOUND, Binding
from ostiary.grants.refresh_tokens import revoke_family
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.audit_events import suspicious
from ostiary.record import dataclass
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.grants.family import Authorization
    from ostiary.proto.oauth2.clients.authentication import ClientClaim
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch, Statement
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant type (RFC 6749 1.3). With `proves_itself` the grant authenticates the client itself."""

    name: str
    use: Callable[[TokenRequest], Awaitable[GrantResult]]
    proves_itself: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token request. Its client is authenticated, unless the grant does that. `binding` are the keys it proved."""

    request: Request
    services: OAuth2Services
    parameters: Parameters
    client: Client
    claim: ClientClaim
    grant: Grant
    now: int
    binding: Binding = UNBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantResult:
    """The result of a grant.

    `subject` is the user if the grant has read them already, `facts` are additional facts for policies,
    `audit_events` is written together with the tokens. No token lives longer than `until`, microseconds UTC.
    """

    authorization: Authorization
    scope: tuple[str, ...]
    rotate: bool  # whether the response has a new refresh token
    nonce: str | None
    store: Callable[[Issued], Batch[None]]
    successor: str | None = None  # the refresh token of the response, if it succeeds another one
    resources: tuple[str, ...] | None = None  # the audience (RFC 8707); None: all granted resources
    identify: bool = True  # whether the response has an ID token
    subject: Subject | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    audit_events: tuple[Statement, ...] = ()
    until: int | None = None


async def end_family(token_request: TokenRequest, family: str | None, message: str) -> NoReturn:
    """Revoke the family, write its event, and raise the error of any other invalid grant."""
    suspicious_event = suspicious(
        token_request.client, message, user=None, client_ip=token_request.request.client, now=token_request.now
    )

    def batch() -> Batch[None]:
        if family is not None:
            yield from revoke_family(family)
        yield from run([suspicious_event])

    await token_request.services.database.write(batch)
    raise OAuthError(INVALID_GRANT, message)
