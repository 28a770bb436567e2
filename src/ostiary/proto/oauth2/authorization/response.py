"""The answer of the authorization endpoint: response types and modes, and the address or form it is put on.

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
    """Where the answer goes and how, once it is trusted. `signed`: as one JWT (JARM 2)."""

    redirect_uri: str
    delivery: Delivery
    state: str | None
    signed: bool = False


def parse_response_type(text: str) -> frozenset[Part]:
    """Return the parts of the answer, in any order (RFC 6749 3.1.1). Raises OAuthError (unsupported_response_type)."""
    parts = text.split(" ")
    found = _KNOWN.get(frozenset(parts))
    if found is None or len(parts) != len(found):
        raise OAuthError(UNSUPPORTED_RESPONSE_TYPE)
    return found


def parse_mode(text: str | None, parts: frozenset[Part], redirect_uri: str) -> tuple[Delivery, bool]:
    """Return how the answer is delivered, and whether it is signed.

    Raises OAuthError (invalid_request): unknown modes are not guessed at, tokens are never put in a query (Multiple
    Response Types 5, JARM 2.3.1), and a form is posted to http and https only.
    """
    usual: Delivery = "query" if parts == CODE_ONLY else "fragment"
    if text is None:
        return usual, False
    if text not in RESPONSE_MODES:
        raise OAuthError(INVALID_REQUEST, "unknown response_mode", description="The response_mode is not supported.")
    name, _, suffix = text.partition(".")
    if name == "jwt":
        return usual, True
    # guard: A07 tokens are never put in a query
    if name == "query" and parts != CODE_ONLY:
        raise OAuthError(INVALID_REQUEST, "tokens in a query", description="The response_mode must not be query.")
    if name == "form_post" and not redirect_uri.lower().startswith(("https://", "http://")):
        raise OAuthError(INVALID_REQUEST, "response_mode form_post to another scheme than http and https")
    return cast("Delivery", name), bool(suffix)


def answer_pairs(target: ResponseTarget, pairs: Pairs, *, issuer: str) -> list[tuple[str, str]]:
    """Return the members of an answer with its state and RFC 9207's iss, which a signed one has in its claims."""
    made = list(pairs)
    if target.state is not None:
        made.append(("state", target.state))
    # guard: A10 every answer names its issuer
    if not target.signed:
        made.append(("iss", issuer))
    return made


def error_pairs(error: OAuthError) -> list[tuple[str, str]]:
    """Return the members of an error answer (RFC 6749 4.1.2.1)."""
    return [("error", error.code), ("error_description", error.description)]


def answer_url(target: ResponseTarget, pairs: Pairs) -> str:
    """Return the address of an answer that is not a form."""
    build = with_fragment if target.delivery == "fragment" else with_query
    return build(target.redirect_uri, pairs)


def signed_claims(pairs: Pairs, *, issuer: str, client_id: str, expires: int) -> dict[str, object]:
    """Return the claims of a signed answer (JARM 2.1). `expires` is in seconds UTC."""
    return {"iss": issuer, "aud": client_id, "exp": expires, **_numbered(pairs)}


def _numbered(pairs: Pairs) -> dict[str, object]:
    return {name: int(value) if name == "expires_in" else value for name, value in pairs}
