"""The metadata document (OpenID Connect Discovery 3, RFC 8414 2), and what other specifications add to it."""

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
    """Absolute addresses. None: not there for this client."""

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
    """The algorithms of what is signed and encrypted; an empty tuple says that it is not done."""

    tokens: str  # of ID tokens, signed authorization answers and signed introspection
    userinfo: tuple[str, ...] = ()
    request_objects: tuple[str, ...] = ()
    request_encryption: tuple[str, ...] = ()  # how the content key of encrypted request objects may be sent
    client_assertions: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()  # DPoP
    encryption: tuple[str, str] | None = None  # alg and enc of what is signed for the client


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What works for one client."""

    grant_types: tuple[str, ...]
    scopes: Sequence[str]
    claims: Sequence[str]
    acr: Sequence[str]
    auth_methods: Sequence[str]  # of the token endpoint and its neighbours
    introspection_methods: Sequence[str]
    challenge_methods: Sequence[str]
    locales: Sequence[str]
    front_tokens: bool  # whether access tokens may come from the authorization endpoint, where they cannot be bound
    signing: Signing
    pairwise: bool
    certificate_bound: bool
    pushed_only: bool
    signed_requests_only: bool
    backchannel_logout: bool
    frontchannel_logout: bool


def response_types(grant_types: Iterable[str], *, front_tokens: bool = True) -> tuple[str, ...]:
    """Return the response types grants allow: tokens given at once need `implicit` (OpenID Connect Registration 2).

    A client that has no business at the authorization endpoint has none.
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


def metadata(endpoints: Endpoints, offer: Offer) -> dict[str, object]:
    """Return the document of one client. It offers what works, and nothing else."""
    types = response_types(offer.grant_types, front_tokens=offer.front_tokens)
    made: dict[str, object] = {
        **_addresses(endpoints, offer),
        "response_types_supported": list(types),
        "response_modes_supported": list(RESPONSE_MODES) if types else [],
        "grant_types_supported": list(offer.grant_types),
        "subject_types_supported": ["pairwise" if offer.pairwise else "public"],
        "token_endpoint_auth_methods_supported": list(offer.auth_methods),
        "introspection_endpoint_auth_methods_supported": list(offer.introspection_methods),
        "revocation_endpoint_auth_methods_supported": list(offer.auth_methods),
        "acr_values_supported": list(offer.acr),
        "scopes_supported": list(offer.scopes),
        "claim_types_supported": ["normal"],
        "claims_supported": [*STANDARD_CLAIMS, *(name for name in offer.claims if name not in STANDARD_CLAIMS)],
        "claims_parameter_supported": True,
        "display_values_supported": list(DISPLAYS),
        "ui_locales_supported": list(offer.locales),
        "prompt_values_supported": sorted(PROMPTS),
        "request_parameter_supported": bool(offer.signing.request_objects),
        "request_uri_parameter_supported": False,  # by reference through the endpoint for pushed requests only
        "require_request_uri_registration": False,
        "require_pushed_authorization_requests": offer.pushed_only,
        "require_signed_request_object": offer.signed_requests_only,
        "code_challenge_methods_supported": list(offer.challenge_methods),
        "authorization_response_iss_parameter_supported": True,
        "tls_client_certificate_bound_access_tokens": offer.certificate_bound,
        "backchannel_logout_supported": offer.backchannel_logout,
        "backchannel_logout_session_supported": offer.backchannel_logout,
        "frontchannel_logout_supported": offer.frontchannel_logout,
        "frontchannel_logout_session_supported": offer.frontchannel_logout,
    }
    made.update(_algorithms(offer))
    return made


def _addresses(endpoints: Endpoints, offer: Offer) -> dict[str, object]:
    made: dict[str, object] = {
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
    if DEVICE_CODE in offer.grant_types and endpoints.device is not None:
        made["device_authorization_endpoint"] = endpoints.device
    if endpoints.check_session is not None:
        made["check_session_iframe"] = endpoints.check_session
    return made


def _algorithms(offer: Offer) -> dict[str, object]:
    signing = offer.signing
    made: dict[str, object] = {
        "id_token_signing_alg_values_supported": [signing.tokens],
        "authorization_signing_alg_values_supported": [signing.tokens],  # JARM 3
        "introspection_signing_alg_values_supported": [signing.tokens],  # RFC 9701 7
        "dpop_signing_alg_values_supported": list(signing.proofs),  # RFC 9449 5.1
    }
    if signing.userinfo:
        made["userinfo_signing_alg_values_supported"] = list(signing.userinfo)
    if signing.request_objects:
        made["request_object_signing_alg_values_supported"] = list(signing.request_objects)
    if signing.request_objects and signing.request_encryption:  # what is encrypted has to be signed inside
        made["request_object_encryption_alg_values_supported"] = list(signing.request_encryption)
        made["request_object_encryption_enc_values_supported"] = list(READABLE_CONTENT)
    if set(offer.auth_methods) & _SIGNED_METHODS:
        for name in ("token", "revocation", "introspection"):
            made[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(signing.client_assertions)
    if signing.encryption is not None:
        for name in ("id_token", "authorization", *(("userinfo",) if signing.userinfo else ())):
            made[f"{name}_encryption_alg_values_supported"] = [signing.encryption[0]]
            made[f"{name}_encryption_enc_values_supported"] = [signing.encryption[1]]
    return made
