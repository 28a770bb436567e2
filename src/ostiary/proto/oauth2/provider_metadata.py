"""Provider metadata (OpenID Connect Discovery 3, RFC 8414 2), with the members of the extensions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ostiary.proto.jose.jwe import READABLE_CONTENT
from ostiary.proto.oauth2.authorization.request import DISPLAYS, PROMPTS
from ostiary.proto.oauth2.authorization.response import RESPONSE_MODES, RESPONSE_TYPES
from ostiary.record import dataclass

STANDARD_CLAIMS: Final = (
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "sid",
    "at_hash",
    "c_hash",
    "s_hash",
)
DEVICE_CODE: Final = "urn:ietf:params:oauth:grant-type:device_code"
_CODE: Final = "authorization_code"
_SIGNED_METHODS: Final = frozenset({"client_secret_jwt", "private_key_jwt"})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The absolute URLs of the endpoints. None: not available to this client."""

    issuer: str
    authorization: str
    token: str
    userinfo: str
    end_session: str
    introspection: str
    revocation: str
    jwks: str
    pushed: str
    device: str | None = None
    check_session: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """The signing and encryption algorithms. An empty tuple: not supported."""

    tokens: str  # of ID tokens, signed authorization responses and signed introspection
    userinfo: tuple[str, ...] = ()
    request_objects: tuple[str, ...] = ()
    request_encryption: tuple[str, ...] = ()  # key management algorithms
    client_assertions: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()  # DPoP
    encryption: tuple[str, str] | None = None  # alg and enc for the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """The capabilities of one client."""

    grant_types: tuple[str, ...]
    scopes: Sequence[str]
    claims: Sequence[str]
    acr: Sequence[str]
    auth_methods: Sequence[str]  # of the token, revocation and pushed request endpoints
    introspection_methods: Sequence[str]
    challenge_methods: Sequence[str]
    locales: Sequence[str]
    front_tokens: bool  # the authorization endpoint may issue access tokens, which are never bound to a key
    signing: Signing
    pairwise: bool
    certificate_bound: bool
    pushed_only: bool
    signed_requests_only: bool
    backchannel_logout: bool
    frontchannel_logout: bool


def response_types(grant_types: Iterable[str], *, front_tokens: bool = True) -> tuple[str, ...]:
    """Return the response types that the grant types allow. Tokens need `implicit` (OpenID Connect Registration 2).

    Without authorization_code and implicit there are none.
    """
    allowed = set(grant_types)
    if not allowed & {_CODE, "implicit"}:
        return ()
    refused = set() if _CODE in allowed else {"code"}
    if "implicit" not in allowed:
        refused |= {"token", "id_token"}
    if not front_tokens:
        refused.add("token")
    return tuple(name for name in RESPONSE_TYPES if refused.isdisjoint(name.split()))


def metadata(endpoints: Endpoints, capabilities: Capabilities) -> dict[str, object]:
    """Return the metadata document of one client. It lists only what works for it."""
    types = response_types(capabilities.grant_types, front_tokens=capabilities.front_tokens)
    document: dict[str, object] = {
        **_addresses(endpoints, capabilities),
        "response_types_supported": list(types),
        "response_modes_supported": list(RESPONSE_MODES) if types else [],
        "grant_types_supported": list(capabilities.grant_types),
        "subject_types_supported": ["pairwise" if capabilities.pairwise else "public"],
        "token_endpoint_auth_methods_supported": list(capabilities.auth_methods),
        "introspection_endpoint_auth_methods_supported": list(capabilities.introspection_methods),
        "revocation_endpoint_auth_methods_supported": list(capabilities.auth_methods),
        "acr_values_supported": list(capabilities.acr),
        "scopes_supported": list(capabilities.scopes),
        "claim_types_supported": ["normal"],
        "claims_supported": [*STANDARD_CLAIMS, *(name for name in capabilities.claims if name not in STANDARD_CLAIMS)],
        "claims_parameter_supported": True,
        "display_values_supported": list(DISPLAYS),
        "ui_locales_supported": list(capabilities.locales),
        "prompt_values_supported": sorted(PROMPTS),
        "request_parameter_supported": bool(capabilities.signing.request_objects),
        "request_uri_parameter_supported": False,  # only request URIs of pushed requests
        "require_request_uri_registration": False,
        "require_pushed_authorization_requests": capabilities.pushed_only,
        "require_signed_request_object": capabilities.signed_requests_only,
        "code_challenge_methods_supported": list(capabilities.challenge_methods),
        "authorization_response_iss_parameter_supported": True,
        "tls_client_certificate_bound_access_tokens": capabilities.certificate_bound,
        "backchannel_logout_supported": capabilities.backchannel_logout,
        "backchannel_logout_session_supported": capabilities.backchannel_logout,
        "frontchannel_logout_supported": capabilities.frontchannel_logout,
        "frontchannel_logout_session_supported": capabilities.frontchannel_logout,
    }
    document.update(_algorithms(capabilities))
    return document


def _addresses(endpoints: Endpoints, capabilities: Capabilities) -> dict[str, object]:
    members: dict[str, object] = {
        "issuer": endpoints.issuer,
        "authorization_endpoint": endpoints.authorization,
        "token_endpoint": endpoints.token,
        "userinfo_endpoint": endpoints.userinfo,
        "end_session_endpoint": endpoints.end_session,
        "introspection_endpoint": endpoints.introspection,
        "revocation_endpoint": endpoints.revocation,
        "jwks_uri": endpoints.jwks,
        "pushed_authorization_request_endpoint": endpoints.pushed,
    }
    if DEVICE_CODE in capabilities.grant_types and endpoints.device is not None:
        members["device_authorization_endpoint"] = endpoints.device
    if endpoints.check_session is not None:
        members["check_session_iframe"] = endpoints.check_session
    return members


def _algorithms(capabilities: Capabilities) -> dict[str, object]:
    signing = capabilities.signing
    members: dict[str, object] = {
        "id_token_signing_alg_values_supported": [signing.tokens],
        "authorization_signing_alg_values_supported": [signing.tokens],  # JARM 3
        "introspection_signing_alg_values_supported": [signing.tokens],  # RFC 9701 7
        "dpop_signing_alg_values_supported": list(signing.proofs),  # RFC 9449 5.1
    }
    if signing.userinfo:
        members["userinfo_signing_alg_values_supported"] = list(signing.userinfo)
    if signing.request_objects:
        members["request_object_signing_alg_values_supported"] = list(signing.request_objects)
    if signing.request_objects and signing.request_encryption:  # encrypted request objects must be signed too
        members["request_object_encryption_alg_values_supported"] = list(signing.request_encryption)
        members["request_object_encryption_enc_values_supported"] = list(READABLE_CONTENT)
    if set(capabilities.auth_methods) & _SIGNED_METHODS:
        for name in ("token", "revocation", "introspection"):
            members[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(signing.client_assertions)
    if signing.encryption is not None:
        for name in ("id_token", "authorization", *(("userinfo",) if signing.userinfo else ())):
            members[f"{name}_encryption_alg_values_supported"] = [signing.encryption[0]]
            members[f"{name}_encryption_enc_values_supported"] = [signing.encryption[1]]
    return members
