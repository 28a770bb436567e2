"""The authorization response: response types, response modes and parameters.

RFC 6749 4.1.2, OAuth 2.0 Multiple Response Types 1.0, Form Post Response Mode 1.0, JARM 1.0, RFC 9207.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

from ostiary.proto.oauth2.authorization.redirect import with_fragment, with_query
from ostiary.proto.oauth2.errors import INVALID_REQUEST, UNSUPPORTED_RESPONSE_TYPE, OAuthError
from ostiary.record import dataclass

Part = Literal["code", "token", "id_token"]
Delivery = Literal["query", "fragment", "form_post"]
Pairs = Sequence[tuple[str, str]]

RESPONSE_TYPES: Final = (
    "code",
    "id_token",
    "id_token token",
    "code token",
    "code id_token",
    "code id_token token",
    "token",
)
RESPONSE_MODES: Final = (
    "query",
    "fragment",
    "form_post",
    "jwt",
    "query.jwt",
    "fragment.jwt",
    "form_post.jwt",
)
CODE_ONLY: Final[frozenset[Part]] = frozenset({"code"})
_KNOWN: Final = {frozenset(text.split(" ")): frozenset(cast("list[Part]", text.split(" "))) for text in RESPONSE_TYPES}


@dataclass(frozen=True, slots=True)
class ResponseTarget:
    """The validated target of the response. `signed`: the parameters are one JWT (JARM 2)."""

    redirect_uri: str
    delivery: Delivery
    state: str | None
    signed: bool = False


def parse_response_type(text: str) -> frozenset[Part]:
    """Parse response_type; its values have no order (RFC 6749 3.1.1). Raises OAuthError (unsupported_response_type)."""
    parts = text.split(" ")
    response_type = _KNOWN.get(frozenset(parts))
    if response_type is None or len(parts) != len(response_type):
        raise OAuthError(UNSUPPORTED_RESPONSE_TYPE)
    return response_type


def parse_mode(text: str | None, parts: frozenset[Part], redirect_uri: str) -> tuple[Delivery, bool]:
    """Parse response_mode: the delivery, and whether the response is signed. None is the default mode.

    Raises OAuthError (invalid_request): for an unknown mode, for tokens in a query (Multiple Response Types 5,
    JARM 2.3.1), and for form_post to other schemes than http and https.
    """
    default: Delivery = "query" if parts == CODE_ONLY else "fragment"
    if text is None:
        return default, False
    if text not in RESPONSE_MODES:
        raise OAuthError(INVALID_REQUEST, "unknown response_mode", description="The response_mode is not supported.")
    name, _, suffix = text.partition(".")
    if name == "jwt":
        return default, True
    # guard: A07 tokens are never returned in a query
    if name == "query" and parts != CODE_ONLY:
        raise OAuthError(INVALID_REQUEST, "tokens in a query", description="The response_mode must not be query.")
    if name == "form_post" and not redirect_uri.lower().startswith(("https://", "http://")):
        raise OAuthError(INVALID_REQUEST, "response_mode form_post to another scheme than http and https")
    return cast("Delivery", name), bool(suffix)


def response_pairs(target: ResponseTarget, pairs: Pairs, *, issuer: str) -> list[tuple[str, str]]:
    """Return the response parameters with state, and with iss (RFC 9207) unless signed claims contain it."""
    parameters = list(pairs)
    if target.state is not None:
        parameters.append(("state", target.state))
    # guard: A10 every authorization response names its issuer
    if not target.signed:
        parameters.append(("iss", issuer))
    return parameters


def error_pairs(error: OAuthError) -> list[tuple[str, str]]:
    """Return the parameters of an error response (RFC 6749 4.1.2.1)."""
    return [("error", error.code), ("error_description", error.description)]


def response_url(target: ResponseTarget, pairs: Pairs) -> str:
    """Return the redirect URI with the response parameters, for query and fragment."""
    build = with_fragment if target.delivery == "fragment" else with_query
    return build(target.redirect_uri, pairs)


def signed_claims(pairs: Pairs, *, issuer: str, client_id: str, expires: int) -> dict[str, object]:
    """Return the claims of a signed response (JARM 2.1). `expires` is in seconds UTC."""
    return {"iss": issuer, "aud": client_id, "exp": expires, **_numbered(pairs)}


def _numbered(pairs: Pairs) -> dict[str, object]:
    return {name: int(value) if name == "expires_in" else value for name, value in pairs}
