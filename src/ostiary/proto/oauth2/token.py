"""Token requests (RFC 6749 4.1.3 and 6) and the answer (5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.scope import parse_scope


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """grant_type=authorization_code."""

    code: str
    redirect_uri: str | None
    verifier: str | None


@dataclass(frozen=True, slots=True)
class RefreshRequest:
    """grant_type=refresh_token."""

    token: str
    scope: tuple[str, ...]


def parse_code_request(parameters: Parameters) -> CodeRequest:
    """Return the request of 4.1.3. Raises OAuthError (invalid_request)."""
    return CodeRequest(parameters.need("code"), parameters.get("redirect_uri"), parameters.get("code_verifier"))


def parse_refresh_request(parameters: Parameters) -> RefreshRequest:
    """Return the request of 6. Raises OAuthError (invalid_request, invalid_scope)."""
    return RefreshRequest(parameters.need("refresh_token"), parse_scope(parameters.get("scope") or ""))


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """The tokens a client gets."""

    access_token: str
    expires_in: int  # seconds
    scope: tuple[str, ...]
    id_token: str
    refresh_token: str | None

    def body(self) -> dict[str, object]:
        """Return the JSON members (5.1; OpenID Connect Core 3.1.3.3)."""
        members: dict[str, object] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "scope": " ".join(self.scope),
            "expires_in": self.expires_in,
            "id_token": self.id_token,
        }
        if self.refresh_token is not None:
            members["refresh_token"] = self.refresh_token
        return members
