"""One authorization request on its way through the steps: what is known so far beside what sign-on knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from ostiary.grants.pushed_requests import prolong_for_flow
from ostiary.proto.oauth2.authorization.request import AuthorizeRequest
from ostiary.proto.oauth2.authorization.response import ResponseTarget
from ostiary.providers.oauth2.authorize.address import PATH as AUTHORIZE_PATH
from ostiary.providers.oauth2.protected.github import DESCRIPTIONS
from ostiary.record import dataclass
from ostiary.signon.context import RequiredField, SignOnContext

if TYPE_CHECKING:
    from ostiary.grants.pushed_requests import Pushed
    from ostiary.proto.oauth2.parameters import Parameters
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.store.database import Statement


@dataclass(slots=True, kw_only=True)
class AuthorizationContext(SignOnContext):
    """What the steps know. Each step may rely on what those above it have filled in.

    `parameters` are those of the request, which may have come another way than by the browser's address (`handle_hash`
    and `pushed`: through PAR).
    """

    PROTOCOL: ClassVar[str] = "oauth2"
    PATH: ClassVar[str] = AUTHORIZE_PATH

    services: OAuth2Services
    parameters: Parameters
    handle_hash: bytes | None = None
    pushed: Pushed | None = None
    hinted: str | None = None
    known_client: Client | None = None
    known_target: ResponseTarget | None = None
    known_request: AuthorizeRequest | None = None
    scope: tuple[str, ...] = ()

    client = RequiredField["Client"]("known_client")
    """Who sent the request."""
    wanted = RequiredField[AuthorizeRequest]("known_request")
    """The request, validated."""
    target = RequiredField[ResponseTarget]("known_target")
    """The address that the response goes to; the administrator has allowed it."""

    @property
    def dpop_jkt(self) -> str | None:
        """The thumbprint of the key the code is bound to (RFC 9449 10), if any."""
        proved = self.pushed.dpop_jkt if self.pushed is not None else None
        return proved or self.wanted.dpop_jkt

    @property
    def issuer(self) -> str:
        """The issuer under the address the request came to."""
        return self.client.issuer(self.request.base_url)

    @property
    def login_hint(self) -> str | None:
        """Core 3.1.2.1, login_hint: not for those who are to choose."""
        return None if "select_account" in self.wanted.prompt else self.wanted.login_hint

    def prolonging(self) -> Sequence[Statement]:
        """Prolong a pushed request beyond its first minutes, as a person is in a flow with it."""
        return () if self.handle_hash is None else (prolong_for_flow(self.handle_hash, now=self.now),)

    def authorization_context(self) -> Mapping[str, object]:
        """Return what people allow: scopes, and claims that were asked for by name."""
        described = self.client.claim_set.described(self.scope)
        return {
            "consent_permissions": [
                *({"id": item.scope_name, "name": item.description} for item in described),
                *({"id": name, "name": text} for name, text in DESCRIPTIONS.items() if name in self.scope),
                *({"id": f"claim:{name}", "name": name} for name in _single_claims(self)),
            ],
            "consent_always": "consent" in self.wanted.prompt,
            "oauth_redirect_uri": self.known_target.redirect_uri if self.known_target else "",
        }


def _single_claims(context: AuthorizationContext) -> list[str]:
    """Return the claims asked for by name (Core 5.5) that come with no scope granted: people allow those as well."""
    claims = context.wanted.claims
    requested = claims.names("userinfo") | claims.names("id_token")
    granted = context.client.claim_set.claim_names(context.scope)
    return sorted(name for name in requested if name not in granted and name in context.client.claim_set.claim_names())
