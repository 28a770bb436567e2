"""The authorization request and its answer (RFC 6749 4.1.1, 4.1.2; OpenID Connect Core 3.1.2; RFC 9207)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ostiary.proto.oauth2.errors import (
    INVALID_REQUEST,
    REQUEST_NOT_SUPPORTED,
    REQUEST_URI_NOT_SUPPORTED,
    UNSUPPORTED_RESPONSE_TYPE,
    OAuthError,
)
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.pkce import Challenge, parse_challenge
from ostiary.proto.oauth2.redirect import with_fragment, with_query
from ostiary.proto.oauth2.scope import parse_scope

ResponseMode = Literal["query", "fragment"]
RESPONSE_MODES: Final[tuple[ResponseMode, ...]] = ("query", "fragment")
RESPONSE_TYPES: Final = ("code",)
PROMPTS: Final = frozenset({"none", "login", "consent"})

_LONGEST: Final = 2048  # characters of state and nonce
_MAX_AGE_DIGITS: Final = 10


@dataclass(frozen=True, slots=True)
class Target:
    """Where the answer goes, once it is trusted."""

    redirect_uri: str
    response_mode: ResponseMode
    state: str | None


@dataclass(frozen=True, slots=True)
class AuthorizeRequest:
    """The checked request, beside its client and redirect_uri."""

    scope: tuple[str, ...]
    nonce: str | None
    challenge: Challenge | None
    prompt: frozenset[str]
    max_age: int | None  # seconds
    login_hint: str | None


def parse_target(parameters: Parameters, redirect_uri: str) -> Target:
    """Return where even errors are sent. Called when client and redirect_uri are trusted; raises nothing.

    An unknown response_mode is ignored, as authentik does; a repeated state or mode is left out of the answer.
    """
    single = {name: value for name, value in parameters.values.items() if name not in parameters.repeated}
    mode = single.get("response_mode", "query")
    state = single.get("state")
    if state is not None and len(state) > _LONGEST:
        state = None
    return Target(redirect_uri, mode if mode in RESPONSE_MODES else "query", state)


def parse_request(parameters: Parameters) -> AuthorizeRequest:
    """Return the request. Raises OAuthError, to be sent to the target."""
    parameters.check_single()
    _check_supported(parameters)
    for name in ("state", "nonce"):
        if len(parameters.get(name) or "") > _LONGEST:
            raise OAuthError(INVALID_REQUEST, f"{name} is too long")
    prompt = frozenset((parameters.get("prompt") or "").split()) & PROMPTS
    if "none" in prompt and "login" in prompt:
        # Core 3.1.2.1 forbids any companion of none; none with consent is let through to be answered consent_required
        raise OAuthError(INVALID_REQUEST, "prompt none with login")
    return AuthorizeRequest(
        scope=parse_scope(parameters.get("scope") or ""),
        nonce=parameters.get("nonce"),
        challenge=parse_challenge(parameters.get("code_challenge"), parameters.get("code_challenge_method")),
        prompt=prompt,
        max_age=_parse_max_age(parameters.get("max_age")),
        login_hint=parameters.get("login_hint"),
    )


def answer_url(target: Target, pairs: list[tuple[str, str]], *, issuer: str | None) -> str:
    """Return the address of a successful or failed answer, with state and RFC 9207's iss."""
    if target.state is not None:
        pairs = [*pairs, ("state", target.state)]
    if issuer is not None:
        pairs = [*pairs, ("iss", issuer)]
    build = with_query if target.response_mode == "query" else with_fragment
    return build(target.redirect_uri, pairs)


def error_url(target: Target, error: OAuthError, *, issuer: str | None) -> str:
    """Return the address of an error answer (RFC 6749 4.1.2.1)."""
    return answer_url(target, [("error", error.code), ("error_description", error.description)], issuer=issuer)


def _check_supported(parameters: Parameters) -> None:
    if parameters.get("request") is not None:
        raise OAuthError(REQUEST_NOT_SUPPORTED)
    if parameters.get("request_uri") is not None:
        raise OAuthError(REQUEST_URI_NOT_SUPPORTED)
    if parameters.need("response_type") not in RESPONSE_TYPES:
        raise OAuthError(UNSUPPORTED_RESPONSE_TYPE)
    if parameters.get("response_mode") == "form_post":
        raise OAuthError(
            INVALID_REQUEST, "response_mode form_post", description="The response_mode form_post is not supported."
        )


def _parse_max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS):
        raise OAuthError(INVALID_REQUEST, "max_age is not a number of seconds")
    return int(text)
