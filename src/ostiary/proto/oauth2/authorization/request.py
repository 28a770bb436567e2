"""The authorization request (RFC 6749 4.1.1; OpenID Connect Core 3.1.2, 3.2.2, 3.3.2)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from ostiary.proto.oauth2.authorization.claims_request import ClaimsRequest, parse_claims
from ostiary.proto.oauth2.authorization.pkce import CodeChallenge, parse_challenge
from ostiary.proto.oauth2.authorization.redirect import is_safe_redirect_uri
from ostiary.proto.oauth2.authorization.response import (
    CODE_ONLY,
    RESPONSE_MODES,
    RESPONSE_TYPES,
    Part,
    ResponseTarget,
    parse_mode,
    parse_response_type,
)
from ostiary.proto.oauth2.errors import INVALID_REQUEST, INVALID_TARGET, OAuthError
from ostiary.proto.oauth2.parameters import Parameters
from ostiary.proto.oauth2.scope import parse_scope
from ostiary.record import dataclass

PROMPTS: Final = frozenset({"none", "login", "consent", "select_account"})
DISPLAYS: Final = ("page", "popup", "touch", "wap")  # OpenID Connect Core 3.1.2.1
MAY_REPEAT: Final = frozenset({"resource"})  # RFC 8707 2

MAX_LENGTH: Final = 8192  # characters of state and nonce
_MAX_AGE_DIGITS: Final = 10
_MAX_RESOURCES: Final = 16
_MAX_WORDS: Final = 32  # of acr_values and ui_locales
_THUMBPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizeRequest:
    """A validated authorization request, without its client and redirect URI."""

    parts: frozenset[Part]
    scope: tuple[str, ...]
    nonce: str | None
    challenge: CodeChallenge | None
    prompt: frozenset[str]
    max_age: int | None  # seconds
    login_hint: str | None
    id_token_hint: str | None
    display: str | None
    ui_locales: tuple[str, ...]
    acr_values: tuple[str, ...]
    claims: ClaimsRequest
    resources: tuple[str, ...]  # as they came: see `grant_resources`
    dpop_jkt: str | None


def parse_target(parameters: Parameters, redirect_uri: str) -> ResponseTarget:
    """Return the target of the response, also of errors. The client and redirect URI must be validated. Never raises.

    `parse_request` reports an invalid type or mode, in the default mode; a repeated state is not returned.
    """
    single = {name: value for name, value in parameters.values.items() if name not in parameters.repeated}
    parts = CODE_ONLY
    state = single.get("state")
    if state is not None and len(state) > MAX_LENGTH:
        state = None
    try:
        parts = parse_response_type(single.get("response_type", "code"))
        delivery, signed = parse_mode(single.get("response_mode"), parts, redirect_uri)
    except OAuthError:
        delivery, signed = parse_mode(None, parts, redirect_uri)
    return ResponseTarget(redirect_uri, delivery, state, signed)


def parse_request(parameters: Parameters) -> AuthorizeRequest:
    """Parse an authorization request. Raises OAuthError, which is sent to the target."""
    parameters.require_single(but=MAY_REPEAT)
    parts = parse_response_type(parameters.need("response_type"))
    parse_mode(parameters.get("response_mode"), parts, parameters.get("redirect_uri") or "")
    for name in ("state", "nonce"):
        if len(parameters.get(name) or "") > MAX_LENGTH:
            raise OAuthError(INVALID_REQUEST, f"{name} is too long")
    nonce = parameters.get("nonce")
    if "id_token" in parts and nonce is None:  # Core 3.2.2.1, 3.3.2.11
        raise OAuthError(INVALID_REQUEST, "no nonce", description="The parameter nonce is missing.")
    return AuthorizeRequest(
        parts=parts,
        scope=parse_scope(parameters.get("scope") or ""),
        nonce=nonce,
        challenge=parse_challenge(parameters.get("code_challenge"), parameters.get("code_challenge_method")),
        prompt=_parse_prompt(parameters.get("prompt")),
        max_age=_parse_max_age(parameters.get("max_age")),
        login_hint=parameters.get("login_hint"),
        id_token_hint=parameters.get("id_token_hint"),
        display=_parse_display(parameters.get("display")),
        ui_locales=_words(parameters.get("ui_locales")),
        acr_values=_words(parameters.get("acr_values")),
        claims=parse_claims(parameters.get("claims")),
        resources=parameters.all("resource"),
        dpop_jkt=_parse_thumbprint(parameters.get("dpop_jkt")),
    )


def grant_resources(requested: tuple[str, ...], known: Collection[str]) -> tuple[str, ...]:
    """Return the resource indicators that are granted (RFC 8707 2). Raises OAuthError (invalid_target).

    Each must be an absolute URI without a fragment, and `known` to the provider. A provider without known resources
    ignores the parameter, like a server without RFC 8707.
    """
    if not known:
        return ()
    if len(requested) > _MAX_RESOURCES or not all(is_safe_redirect_uri(value) for value in requested):
        raise OAuthError(INVALID_TARGET, "not an absolute address without a fragment, or too many")
    if not set(requested) <= set(known):
        raise OAuthError(INVALID_TARGET, "a resource that the provider does not list")
    return requested


def _parse_prompt(text: str | None) -> frozenset[str]:
    prompt = frozenset((text or "").split()) & PROMPTS
    if "none" in prompt and prompt & {"login", "select_account"}:
        # Core 3.1.2.1 forbids other values beside none. none with consent is allowed: its response is consent_required
        raise OAuthError(INVALID_REQUEST, "prompt none with another")
    return prompt


def _parse_display(text: str | None) -> str | None:
    if text is not None and text not in DISPLAYS:
        raise OAuthError(INVALID_REQUEST, "display", description="The parameter display has an unknown value.")
    return text


def _parse_max_age(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_AGE_DIGITS):
        raise OAuthError(INVALID_REQUEST, "max_age is not a number of seconds")
    return int(text)


def _parse_thumbprint(text: str | None) -> str | None:
    if text is not None and _THUMBPRINT.fullmatch(text) is None:
        raise OAuthError(INVALID_REQUEST, "dpop_jkt is not a SHA-256 thumbprint (RFC 9449 10)")
    return text


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((text or "").split()[:_MAX_WORDS]))


__all__ = [
    "DISPLAYS",
    "MAY_REPEAT",
    "PROMPTS",
    "RESPONSE_MODES",
    "RESPONSE_TYPES",
    "AuthorizeRequest",
    "ResponseTarget",
    "grant_resources",
    "parse_request",
    "parse_target",
]
