"""The metadata document (OpenID Connect Discovery 3, RFC 8414 2, RFC 9207 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.proto.oauth2.authorize import RESPONSE_MODES, RESPONSE_TYPES
from ostiary.proto.oauth2.pkce import METHODS

GRANT_TYPES: Final = ("authorization_code", "refresh_token")
STANDARD_CLAIMS: Final = ("sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Absolute addresses."""

    issuer: str
    authorization: str
    token: str
    userinfo: str
    end_session: str
    introspection: str
    revocation: str
    jwks: str


def metadata(
    endpoints: Endpoints, *, algorithm: str, acr: str, scopes: Sequence[str], claims: Sequence[str], public: bool
) -> dict[str, object]:
    """Return the document of one client. It offers what works, and nothing else."""
    methods = ["none"] if public else ["client_secret_post", "client_secret_basic"]
    return {
        "issuer": endpoints.issuer,
        "authorization_endpoint": endpoints.authorization,
        "token_endpoint": endpoints.token,
        "userinfo_endpoint": endpoints.userinfo,
        "end_session_endpoint": endpoints.end_session,
        "introspection_endpoint": endpoints.introspection,
        "revocation_endpoint": endpoints.revocation,
        "jwks_uri": endpoints.jwks,
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(RESPONSE_MODES),
        "grant_types_supported": list(GRANT_TYPES),
        "id_token_signing_alg_values_supported": [algorithm],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "revocation_endpoint_auth_methods_supported": methods,
        "acr_values_supported": [acr],
        "scopes_supported": list(scopes),
        "claims_supported": [*STANDARD_CLAIMS, *(name for name in claims if name not in STANDARD_CLAIMS)],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "code_challenge_methods_supported": list(METHODS),
        "authorization_response_iss_parameter_supported": True,
    }
