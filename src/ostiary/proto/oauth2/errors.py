"""The errors of OAuth 2.0 and OpenID Connect, with the codes of their specifications.

`OAuthError.code` and `description` are public. `reason` is for the log only: clients must not learn why a security
check failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INVALID_REQUEST: Final = "invalid_request"
INVALID_CLIENT: Final = "invalid_client"
INVALID_GRANT: Final = "invalid_grant"
INVALID_SCOPE: Final = "invalid_scope"
INVALID_TOKEN: Final = "invalid_token"  # noqa: S105 - an error code
INSUFFICIENT_SCOPE: Final = "insufficient_scope"
UNAUTHORIZED_CLIENT: Final = "unauthorized_client"
UNSUPPORTED_GRANT_TYPE: Final = "unsupported_grant_type"
AUTHORIZATION_PENDING: Final = "authorization_pending"
SLOW_DOWN: Final = "slow_down"
EXPIRED_TOKEN: Final = "expired_token"  # noqa: S105 - an error code
INVALID_DPOP_PROOF: Final = "invalid_dpop_proof"
USE_DPOP_NONCE: Final = "use_dpop_nonce"
UNSUPPORTED_RESPONSE_TYPE: Final = "unsupported_response_type"
ACCESS_DENIED: Final = "access_denied"
LOGIN_REQUIRED: Final = "login_required"
CONSENT_REQUIRED: Final = "consent_required"
INTERACTION_REQUIRED: Final = "interaction_required"
REQUEST_NOT_SUPPORTED: Final = "request_not_supported"
REQUEST_URI_NOT_SUPPORTED: Final = "request_uri_not_supported"
TEMPORARILY_UNAVAILABLE: Final = "temporarily_unavailable"
INVALID_TARGET: Final = "invalid_target"
UNMET_AUTHENTICATION: Final = "unmet_authentication_requirements"
INVALID_REQUEST_OBJECT: Final = "invalid_request_object"
INVALID_REQUEST_URI: Final = "invalid_request_uri"

DESCRIPTIONS: Final[Mapping[str, str]] = {
    INVALID_REQUEST: "The request is missing a parameter, repeats one, or is otherwise malformed.",
    INVALID_CLIENT: "Client authentication failed.",
    INVALID_GRANT: "The grant is invalid, expired, revoked or was issued to another client.",
    INVALID_SCOPE: "The requested scope is invalid or exceeds what was granted.",
    INVALID_TOKEN: "The access token is invalid, expired or revoked.",
    INSUFFICIENT_SCOPE: "The access token lacks the scope this needs.",
    UNAUTHORIZED_CLIENT: "The client is not allowed to ask in this way.",
    UNSUPPORTED_GRANT_TYPE: "The grant type is not supported.",
    AUTHORIZATION_PENDING: "The person has not answered yet.",
    SLOW_DOWN: "You are asking too often.",
    EXPIRED_TOKEN: "The device code has expired.",
    INVALID_DPOP_PROOF: "The DPoP proof is missing or not valid.",
    USE_DPOP_NONCE: "The DPoP proof needs the nonce of this answer.",
    UNSUPPORTED_RESPONSE_TYPE: "The response type is not supported.",
    ACCESS_DENIED: "The request was denied.",
    LOGIN_REQUIRED: "The person has to sign in.",
    CONSENT_REQUIRED: "The person has to consent.",
    INTERACTION_REQUIRED: "The person has to answer something first.",
    REQUEST_NOT_SUPPORTED: "Request objects are not supported.",
    REQUEST_URI_NOT_SUPPORTED: "Only request_uri values of the pushed authorization request endpoint are supported.",
    TEMPORARILY_UNAVAILABLE: "There were too many requests. Try again later.",
    INVALID_TARGET: "The resource is unknown, malformed or not allowed.",
    INVALID_REQUEST_OBJECT: "The request object is not valid.",
    INVALID_REQUEST_URI: "The request_uri is unknown, expired or was used.",
    UNMET_AUTHENTICATION: "The authentication the application asked for is not available.",
}


class OAuthError(Exception):
    """An error with a code of RFC 6749 (4.1.2.1, 5.2) or an extension."""

    def __init__(self, code: str, reason: str = "", *, description: str | None = None) -> None:
        self.code = code
        self.description = DESCRIPTIONS[code] if description is None else description
        self.reason = reason
        self.client_id: str | None = None  # the unverified client of a failed request
        self.trace: Mapping[str, object] | None = None  # how policies decided a refusal: for the audit log only
        self.user: Mapping[str, object] | None = None  # the account that was named, not proven: for the audit log only
        super().__init__(f"{code}: {reason or self.description}")

    def body(self) -> dict[str, object]:
        """Return the JSON members of an error response (RFC 6749 5.2)."""
        return {"error": self.code, "error_description": self.description}
