"""DPoP proofs at our endpoints (RFC 9449): each is verified and consumed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.clients.dpop import ProofTarget, make_nonce, verify_dpop_proof
from ostiary.proto.oauth2.errors import INVALID_DPOP_PROOF, OAuthError
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Purpose, first
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.web.request import Request
    from ostiary.web.response import Response

_PROOF: Final[Purpose[object]] = Purpose("oauth2.dpop")


async def proven_key(request: Request, services: OAuth2Services, *, token: str | None = None) -> str | None:
    """Return the thumbprint of the key that the request proves possession of; None without a proof.

    `token` is the access token the request carries. Raises OAuthError (invalid_dpop_proof, use_dpop_nonce).
    """
    text = request.headers.get("dpop")
    if text is None:
        return None
    target = ProofTarget(request.method, request.base_url + request.path, token)
    proof = verify_dpop_proof(text, target, nonce_key=services.options.nonce_key, now=services.clock())
    hashed = token_hash(f"{proof.jkt}:{proof.jti}")
    await write_all(services.database, [first(_PROOF, hashed, expires=proof.expires, error=_replayed)])
    return proof.jkt


def offer_nonce(request: Request, response: Response, services: OAuth2Services) -> Response:
    """Send a client that uses proofs the nonce for its next one (8, 8.2), if nonces are required."""
    key = services.options.nonce_key
    if key is not None and "dpop" in request.headers:
        response.headers.append(("dpop-nonce", make_nonce(key, services.clock())))
        response.headers.append(("access-control-expose-headers", "DPoP-Nonce"))
    return response


def _replayed() -> OAuthError:
    return OAuthError(INVALID_DPOP_PROOF, "its jti was used before")
