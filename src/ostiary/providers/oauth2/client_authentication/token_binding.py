"""Token binding (RFC 8705 3, RFC 9449): the keys that a request proves, and those that a token requires."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from ostiary.grants.binding import UNBOUND, Binding
from ostiary.proto.oauth2.errors import INVALID_DPOP_PROOF, INVALID_GRANT, INVALID_REQUEST, INVALID_TOKEN, OAuthError
from ostiary.providers.oauth2.client_authentication.dpop import proven_key
from ostiary.providers.oauth2.client_authentication.mtls import certificate_of

if TYPE_CHECKING:
    from ostiary.grants.access_tokens import AccessToken
    from ostiary.proto.oauth2.bearer import SentToken
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request


async def new_binding(request: Request, services: OAuth2Services, client: Client) -> Binding:
    """Return the binding for the tokens of a token request.

    Raises OAuthError: invalid_dpop_proof, use_dpop_nonce; invalid_request when the certificate is missing.
    """
    provider = client.provider
    jkt = await proven_key(request, services)
    if jkt is None and provider.dpop == "required":
        raise OAuthError(INVALID_DPOP_PROOF, "the client must use DPoP")
    if not provider.tls_client_certificate_bound_access_tokens:
        return UNBOUND if jkt is None else Binding(jkt=jkt)
    certificate = certificate_of(request, services)
    if certificate is None:
        raise OAuthError(
            INVALID_REQUEST, "no certificate", description="The client must connect with its certificate (RFC 8705)."
        )
    return Binding(jkt=jkt, x5t=certificate.x5t)


def verify_same_binding(bound: Binding, shown: Binding) -> None:
    """Verify that the request proves the key the grant is bound to. Raises OAuthError (invalid_grant)."""
    if not _covers(bound, shown):
        raise OAuthError(INVALID_GRANT, "bound to another key")


async def verify_token_binding(request: Request, services: OAuth2Services, token: AccessToken, sent: SentToken) -> None:
    """Verify that the sender of an access token holds the key it is bound to (RFC 9449 7, RFC 8705 3).

    A bound token is refused as a bearer token (7.2), an unbound one as a DPoP token. Raises OAuthError.
    """
    bound = token.binding
    # guard: A16 a bound token is not accepted as a bearer token
    if (sent.scheme == "dpop") is not (bound.jkt is not None):
        raise OAuthError(INVALID_TOKEN, "not a token for this scheme")
    if bound.jkt is not None:
        jkt = await proven_key(request, services, token=sent.token)
        if jkt is None or not hmac.compare_digest(jkt, bound.jkt):
            raise OAuthError(INVALID_DPOP_PROOF, "no proof, or of another key")
    if bound.x5t is not None:
        certificate = certificate_of(request, services)
        if certificate is None or not hmac.compare_digest(certificate.x5t, bound.x5t):
            raise OAuthError(INVALID_TOKEN, "no certificate, or another one")


def _covers(bound: Binding, shown: Binding) -> bool:
    wanted = ((bound.jkt, shown.jkt), (bound.x5t, shown.x5t))
    return all(one is None or (other is not None and hmac.compare_digest(one, other)) for one, other in wanted)
