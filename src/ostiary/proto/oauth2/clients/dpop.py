"""DPoP: the client's proofs of possession of a key (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from ostiary.proto.jose import JoseError, PublicKey, VerifyingKey, public_jwk, thumbprint
from ostiary.proto.jose.jwks import public_key
from ostiary.proto.oauth2.clients.statement import BadStatement, SignedStatement, read_statement, unverified_header
from ostiary.proto.oauth2.errors import INVALID_DPOP_PROOF, USE_DPOP_NONCE, OAuthError
from ostiary.record import dataclass

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "RS256", "RS384", "RS512", "PS256")
MAX_LENGTH: Final = 8192  # characters of the header
MAX_AGE: Final = 120  # seconds since iat
MAX_SKEW: Final = 30  # seconds that a client's clock may be ahead
NONCE_TURN: Final = 300_000_000  # microseconds between two nonces; the previous one is valid too

_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class DPoPProof:
    """A verified proof. Its jti may be used once until `expires`, microseconds UTC."""

    jkt: str
    jti: str
    expires: int


@dataclass(frozen=True, slots=True)
class ProofTarget:
    """The request that a proof must name. `token` is the access token of the request, if any (7)."""

    method: str
    url: str
    token: str | None = None


def verify_dpop_proof(text: str, target: ProofTarget, *, nonce_key: bytes | None, now: int) -> DPoPProof:
    """Verify a proof (4.3), except that its jti is new. Raises OAuthError (invalid_dpop_proof, use_dpop_nonce).

    With a `nonce_key` the proof must contain our current nonce (8). `now` is microseconds UTC.
    """
    try:
        header = unverified_header(text, longest=MAX_LENGTH)
        key = _key(header)
        verifying = VerifyingKey(key, algorithm=str(header["alg"]))
        statement = read_statement(text, [verifying], longest=MAX_LENGTH)
        iat = _verify_claims(statement, target, now)
    except (BadStatement, JoseError) as error:
        raise OAuthError(INVALID_DPOP_PROOF, str(error)) from error
    if nonce_key is not None and not _is_current_nonce(nonce_key, statement.claims.get("nonce"), now):
        raise OAuthError(USE_DPOP_NONCE, "no nonce of ours")
    return DPoPProof(thumbprint(public_jwk(key)), statement.text("jti"), int((iat + MAX_AGE + 1) * 1_000_000))


def make_nonce(nonce_key: bytes, now: int) -> str:
    """Return the current nonce (8). It is derived from the time, so nothing is stored."""
    return _nonce(nonce_key, now // NONCE_TURN)


def is_same_url(sent: str, url: str) -> bool:
    """Return whether htu equals the request's URL, normalized, without query and fragment (4.3, RFC 3986 6.2)."""
    one, other = _parts(sent), _parts(url)
    return one is not None and one == other


def _key(header: Mapping[str, object]) -> PublicKey:
    """Return the public key in the proof's header. Raises BadStatement."""
    jwk = header.get("jwk")
    # guard: A14 a DPoP proof must have its own type
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS or not isinstance(jwk, dict):
        raise BadStatement("typ, alg or jwk of the header")
    key = None if _PRIVATE & jwk.keys() else public_key(jwk)
    if key is None:
        raise BadStatement("jwk is private, or of an unknown type")
    return key


def _verify_claims(statement: SignedStatement, target: ProofTarget, now: int) -> float:
    if statement.claims.get("htm") != target.method:
        raise BadStatement("htm is another method")
    if not is_same_url(statement.text("htu", longest=2048), target.url):
        raise BadStatement("htu is another address")
    statement.text("jti")
    iat, seconds = statement.seconds("iat"), now / 1_000_000
    if iat is None or iat < seconds - MAX_AGE or iat > seconds + MAX_SKEW:
        raise BadStatement("iat is missing, too old or in the future")
    if target.token is not None and not hmac.compare_digest(_ath(target.token), statement.text("ath").encode()):
        raise BadStatement("ath is of another token")
    return iat


def _ath(token: str) -> bytes:
    digest = hashlib.sha256(token.encode("ascii", "replace")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")


def _is_current_nonce(nonce_key: bytes, nonce: object, now: int) -> bool:
    if not isinstance(nonce, str):
        return False
    turn = now // NONCE_TURN
    return any(hmac.compare_digest(_nonce(nonce_key, one).encode(), nonce.encode()) for one in (turn, turn - 1))


def _nonce(nonce_key: bytes, turn: int) -> str:
    digest = hmac.digest(nonce_key, f"dpop-nonce/{turn}".encode(), "sha256")
    return base64.urlsafe_b64encode(digest[:18]).decode()


def _parts(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts: SplitResult = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.username is not None or parts.password is not None:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path or "/"
