"""What a provider allows its client to ask for at the authorization endpoint. The same for pushed requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.proto.oauth2.authorization.pkce import Rule, require_challenge
from ostiary.proto.oauth2.authorization.request import AuthorizeRequest, grant_resources
from ostiary.proto.oauth2.errors import INVALID_REQUEST, INVALID_SCOPE, UNAUTHORIZED_CLIENT, OAuthError
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS, OPENID, grant_scopes
from ostiary.providers.oauth2.provider.client import offered_scopes

if TYPE_CHECKING:
    from ostiary.providers.oauth2.provider.client import Client


def require_allowed_request(client: Client, wanted: AuthorizeRequest) -> None:
    """Refuse what the provider does not allow. Raises OAuthError.

    Tokens from the authorization endpoint need the grant "implicit" (RFC 9700 2.1.2, OpenID Connect Registration 2);
    access tokens cannot be bound there.
    """
    provider = client.provider
    if not {"authorization_code", "implicit"} & set(provider.grant_types):
        raise OAuthError(UNAUTHORIZED_CLIENT, "nothing of the authorization endpoint is in grant_types")
    if "code" in wanted.parts:
        if "authorization_code" not in provider.grant_types:
            raise OAuthError(UNAUTHORIZED_CLIENT, "authorization_code is not in grant_types")
        require_challenge(wanted.challenge, pkce_rule(client))
    if wanted.parts & {"token", "id_token"} and "implicit" not in provider.grant_types:
        raise OAuthError(UNAUTHORIZED_CLIENT, "implicit is not in grant_types")
    bound = provider.dpop == "required" or provider.tls_client_certificate_bound_access_tokens
    if "token" in wanted.parts and bound:
        raise OAuthError(UNAUTHORIZED_CLIENT, "tokens have to be bound, and here they cannot be")
    grant_resources(wanted.resources, provider.resources)


def pkce_rule(client: Client) -> Rule:
    """Return what the client has to prove (RFC 7636): by default S256 of those that have no secret (RFC 9700 2.1.1)."""
    rule = client.provider.pkce
    if rule == "default":
        return "s256" if client.public else "optional"
    return rule


def scope_of(client: Client, wanted: AuthorizeRequest, *, known: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the scopes that are granted; `known` are some beside those of mappings. Raises OAuthError (invalid_scope).

    Unknown scopes are dropped, none at all means all, as authentik does: the answer names what was granted. Without a
    code there is no refresh token, and so no offline_access (OpenID Connect Core 11).
    """
    requested = wanted.scope
    granted = grant_scopes(requested, (*offered_scopes(client), *known) if requested else client.scopes)
    if "id_token" in wanted.parts and OPENID not in granted:
        raise OAuthError(INVALID_SCOPE, "an ID token without openid")
    if "code" not in wanted.parts:
        granted = tuple(name for name in granted if name != OFFLINE_ACCESS)
    return granted


def require_allowed_redirect(client: Client, uri: str | None) -> str:
    """Return the address when it is the client's. Raises OAuthError (RFC 9126 2.3)."""
    if uri is None or not client.may_redirect_to(uri):
        raise OAuthError(INVALID_REQUEST, "redirect_uri", description="The redirect_uri is missing or not allowed.")
    return uri
