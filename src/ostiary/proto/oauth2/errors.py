"""What goes wrong in OAuth 2.0, in the words of the specifications.

`OAuthError.code` and `description` are public. `reason` is for the log alone: failures of security look alike outside.
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
UNSUPPORTED_GRANT_TYPE: Final = "unsupported_grant_type"
UNSUPPORTED_RESPONSE_TYPE: Final = "unsupported_response_type"
ACCESS_DENIED: Final = "access_denied"
LOGIN_REQUIRED: Final = "login_required"
CONSENT_REQUIRED: Final = "consent_required"
INTERACTION_REQUIRED: Final = "interaction_required"
REQUEST_NOT_SUPPORTED: Final = "request_not_supported"
REQUEST_URI_NOT_SUPPORTED: Final = "request_uri_not_supported"

DESCRIPTIONS: Final[Mapping[str, str]] = {
    INVALID_REQUEST: "The request is missing a parameter, repeats one, or is otherwise malformed.",
    INVALID_CLIENT: "Client authentication failed.",
    INVALID_GRANT: "The grant is invalid, expired, revoked or was issued to another client.",
    INVALID_SCOPE: "The requested scope is invalid or exceeds what was granted.",
    INVALID_TOKEN: "The access token is invalid, expired or revoked.",
    INSUFFICIENT_SCOPE: "The access token lacks the scope this needs.",
    UNSUPPORTED_GRANT_TYPE: "The grant type is not supported.",
    UNSUPPORTED_RESPONSE_TYPE: "The response type is not supported.",
    ACCESS_DENIED: "The request was denied.",
    LOGIN_REQUIRED: "The person has to sign in.",
    CONSENT_REQUIRED: "The person has to consent.",
    INTERACTION_REQUIRED: "The person has to answer something first.",
    REQUEST_NOT_SUPPORTED: "Request objects are not supported.",
    REQUEST_URI_NOT_SUPPORTED: "Request objects are not supported.",
}


class OAuthError(Exception):
    """An error of RFC 6749 5.2 or its neighbours."""

    def __init__(self, code: str, reason: str = "", *, description: str | None = None) -> None:
        self.code = code
        self.description = DESCRIPTIONS[code] if description is None else description
        self.reason = reason
        super().__init__(f"{code}: {reason or self.description}")

    def body(self) -> dict[str, object]:
        """Return the JSON members of an error answer (RFC 6749 5.2)."""
        return {"error": self.code, "error_description": self.description}
