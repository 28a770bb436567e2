"""What the token endpoint hands to a grant, and what a grant hands back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, NoReturn

from ostiary.grants.binding import UNBOUND, Binding
from ostiary.grants.refresh import revoke_family
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.providers.oauth2.events import suspicious
from ostiary.record import dataclass
from ostiary.store.workspace.commit import run

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.grants.family import Authorization
    from ostiary.proto.oauth2.clients.authentication import ClientClaim
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import Services
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch, Statement
    from ostiary.web.request import Request


@dataclass(frozen=True, slots=True)
class Grant:
    """One grant type (RFC 6749 1.3). With `proves_itself` the client's proof is the grant's own business."""

    name: str
    use: Callable[[TokenRequest], Awaitable[GrantResult]]
    proves_itself: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A token request of a client that proved to be one, unless the grant does that. `binding` is what it showed."""

    request: Request
    services: Services
    parameters: Parameters
    client: Client
    claim: ClientClaim
    grant: Grant
    now: int
    binding: Binding = UNBOUND


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantResult:
    """What a grant comes to.

    `subject` is the person if the grant has read them already, `facts` are for policies beside the usual ones,
    `told` is written together with the tokens. No token lives longer than `until`, microseconds UTC.
    """

    authorization: Authorization
    scope: tuple[str, ...]
    rotate: bool  # whether a new refresh token belongs to the answer
    nonce: str | None
    store: Callable[[Issued], Batch[None]]
    successor: str | None = None  # the refresh token of the answer, where it follows another one
    resources: tuple[str, ...] | None = None  # the audience (RFC 8707); None: all that was granted
    identify: bool = True  # whether an ID token belongs to the answer
    subject: Subject | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    told: tuple[Statement, ...] = ()
    until: int | None = None


async def end_family(token_request: TokenRequest, family: str | None, message: str) -> NoReturn:
    """End the family, tell the audit log, and answer as to any other bad grant."""
    told = suspicious(
        token_request.client, message, user=None, client_ip=token_request.request.client, now=token_request.now
    )

    def batch() -> Batch[None]:
        if family is not None:
            yield from revoke_family(family)
        yield from run([told])

    await token_request.services.database.write(batch)
    raise OAuthError(INVALID_GRANT, message)
