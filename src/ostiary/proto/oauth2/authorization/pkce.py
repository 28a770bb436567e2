"""Proof Key for Code Exchange (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final, Literal

from ostiary.proto.oauth2.errors import INVALID_GRANT, INVALID_REQUEST, OAuthError
from ostiary.record import dataclass

Method = Literal["plain", "S256"]
Rule = Literal["optional", "required", "s256"]
METHODS: Final[tuple[Method, ...]] = ("plain", "S256")

_VERIFIER: Final = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_S256: Final = re.compile(r"[A-Za-z0-9\-_]{43}")


@dataclass(frozen=True, slots=True)
class CodeChallenge:
    """The code challenge of an authorization request."""

    value: str
    method: Method


class WrongVerifier(OAuthError):
    """A well-formed verifier that does not match the challenge: a guess."""

    def __init__(self) -> None:
        super().__init__(INVALID_GRANT, "code_verifier does not match")


def parse_challenge(value: str | None, method: str | None) -> CodeChallenge | None:
    """Parse the challenge of an authorization request (4.3); None without one. Raises OAuthError (4.4.1)."""
    if value is None:
        if method is not None:
            raise OAuthError(INVALID_REQUEST, "code_challenge_method without code_challenge")
        return None
    method = method or "plain"
    # guard: A08 an unknown method is not treated as plain
    if method not in METHODS:
        raise OAuthError(
            INVALID_REQUEST, "unknown code_challenge_method", description="The code_challenge_method is not supported."
        )
    if (_S256 if method == "S256" else _VERIFIER).fullmatch(value) is None:
        raise OAuthError(INVALID_REQUEST, "malformed code_challenge")
    return CodeChallenge(value, method)


def require_challenge(challenge: CodeChallenge | None, rule: Rule) -> None:
    """Require the code challenge that a provider's rule demands (RFC 7636 4.4.1, RFC 9700 2.1.1). Raises OAuthError."""
    if challenge is None and rule != "optional":
        raise OAuthError(
            INVALID_REQUEST, "no code_challenge", description="The parameter code_challenge is missing (RFC 7636)."
        )
    if challenge is not None and challenge.method != "S256" and rule == "s256":
        raise OAuthError(INVALID_REQUEST, "plain code_challenge", description="The code_challenge_method must be S256.")


def derive_challenge(verifier: str, method: Method) -> str:
    """Return the challenge of a verifier (4.2)."""
    if method == "plain":
        return verifier
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def verify_code_verifier(challenge: CodeChallenge | None, verifier: str | None) -> None:
    """Verify the code verifier (4.6). Raises OAuthError (invalid_grant); WrongVerifier for a guess.

    A verifier for a code without challenge is refused as well: an attacker removed the challenge from the
    authorization request (RFC 9700 4.8.2).
    """
    if challenge is None:
        # guard: A08 a verifier for a code without challenge is refused
        if verifier is not None:
            raise OAuthError(INVALID_GRANT, "code_verifier for a code without code_challenge: downgrade")
        return
    if verifier is None:
        # guard: A08 a missing verifier is refused
        raise OAuthError(INVALID_GRANT, "code_verifier is missing")
    if _VERIFIER.fullmatch(verifier) is None:
        raise OAuthError(INVALID_GRANT, "malformed code_verifier")
    # guard: A21 verifiers are compared in constant time
    if not hmac.compare_digest(derive_challenge(verifier, challenge.method), challenge.value):
        raise WrongVerifier
