"""Token requests (RFC 6749 4.1.3, 4.3.2, 4.4.2 and 6; RFC 8628 3.4) and the token response (5.1)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import field

from ostiary.proto.oauth2.errors import INVALID_TARGET, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.scope import parse_scope
from ostiary.record import dataclass


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """grant_type=authorization_code."""

    code: str
    redirect_uri: str | None
    verifier: str | None
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """grant_type=refresh_token."""

    token: str
    scope: tuple[str, ...]
    resources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClientCredentialsRequest:
    """grant_type=client_credentials or password, without the client authentication."""

    username: str | None
    password: str | None = field(repr=False)
    scope: tuple[str, ...]
    resources: tuple[str, ...]


def parse_code_request(parameters: Parameters) -> CodeRequest:
    """Parse the request of 4.1.3. Raises OAuthError (invalid_request)."""
    return CodeRequest(
        parameters.need("code"),
        parameters.get("redirect_uri"),
        parameters.get("code_verifier"),
        parameters.all("resource"),
    )


def parse_refresh_request(parameters: Parameters) -> RefreshRequest:
    """Parse the request of 6. Raises OAuthError (invalid_request, invalid_scope)."""
    scope = parse_scope(parameters.get("scope") or "")
    return RefreshRequest(parameters.need("refresh_token"), scope, parameters.all("resource"))


def narrow_resources(
    requested: tuple[str, ...], granted: Collection[str], *, known: Collection[str]
) -> tuple[str, ...] | None:
    """Return the resources of a token request (RFC 8707 2.2), None without any. Raises OAuthError (invalid_target).

    A provider without `known` resources ignores the parameter, like a server without RFC 8707.
    """
    if not known:
        return None
    if not set(requested) <= set(granted):
        raise OAuthError(INVALID_TARGET, "the resource is not among those granted")
    return requested or None


def parse_client_credentials_request(parameters: Parameters) -> ClientCredentialsRequest:
    """Parse the request of 4.4.2 or 4.3.2. Raises OAuthError (invalid_request, invalid_scope)."""
    return ClientCredentialsRequest(
        username=parameters.get("username"),
        password=parameters.get("password"),
        scope=parse_scope(parameters.get("scope") or ""),
        resources=parameters.all("resource"),
    )


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """The token response (5.1)."""

    access_token: str
    expires_in: int  # seconds
    scope: tuple[str, ...]
    id_token: str | None
    refresh_token: str | None
    token_type: str = "Bearer"  # noqa: S105 - or DPoP (RFC 9449 5)

    def body(self) -> dict[str, object]:
        """Return the JSON members (5.1; OpenID Connect Core 3.1.3.3)."""
        members: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": self.token_type,
            "expires_in": self.expires_in,
        }
        if self.scope:  # 3.3 has no empty scope, and libraries treat "" as a changed one
            members["scope"] = " ".join(self.scope)
        if self.id_token is not None:
            members["id_token"] = self.id_token
        if self.refresh_token is not None:
            members["refresh_token"] = self.refresh_token
        return members
