"""grant_type=authorization_code (RFC 6749 4.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.authorization_codes import Code, Mismatch, use_code
from ostiary.grants.binding import Binding
from ostiary.grants.refresh_tokens import store_first_tokens
from ostiary.proto.oauth2.authorization.pkce import CodeChallenge, Method, WrongVerifier, verify_code_verifier
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.proto.oauth2.token import CodeRequest, narrow_resources, parse_code_request
from ostiary.providers.oauth2.client_authentication.token_binding import verify_same_binding
from ostiary.providers.oauth2.token.request import GrantResult, TokenRequest, end_family
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Fresh, Replayed

if TYPE_CHECKING:
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch


async def authorization_code(token_request: TokenRequest) -> GrantResult:
    """Exchange a code. A replay revokes the tokens of its first use (4.1.2). Raises OAuthError.

    Only a matching request is a use or a replay, so that nobody who has merely seen a code can revoke anything.
    """
    request = parse_code_request(token_request.parameters)
    hashed, now = token_hash(request.code), token_request.now
    used = await token_request.services.database.write(
        lambda: use_code(hashed, mismatch=lambda code: _mismatch(token_request, request, code), now=now)
    )
    if isinstance(used, Mismatch):
        if used.spent:
            await end_family(token_request, None, "an authorization code was tried with too many verifiers")
        raise used.error
    if isinstance(used, Replayed):
        await end_family(token_request, used.family, "an authorization code was used twice")
    if not isinstance(used, Fresh):
        raise OAuthError(INVALID_GRANT, "unknown or expired code")
    item = used.body.authorization

    def store(issued: Issued) -> Batch[None]:
        ends = [issued.access.expires] if issued.refresh is None else [issued.access.expires, issued.refresh.expires]
        return store_first_tokens(item, access=issued.access, refresh=issued.refresh, expires=max(ends))

    return GrantResult(
        authorization=item,
        scope=item.scope,
        rotate="refresh_token" in token_request.client.provider.grant_types,
        nonce=item.nonce,
        store=store,
        resources=narrow_resources(request.resources, item.resources, known=token_request.client.provider.resources),
    )


def _mismatch(token_request: TokenRequest, request: CodeRequest, code: Code) -> Mismatch | None:
    """Return why a token request does not match its code; None when it does."""
    try:
        _compare(token_request, request, code)
    except OAuthError as error:
        return Mismatch(error, guess=isinstance(error, WrongVerifier))
    return None


def _compare(token_request: TokenRequest, request: CodeRequest, code: Code) -> None:
    """Raise OAuthError unless the request matches. If the code is bound to a key, only its holder may try verifiers."""
    item = code.authorization
    # guard: A09 a code is bound to its client
    if item.provider != token_request.client.pk:
        raise OAuthError(INVALID_GRANT, "the code was issued to another client")
    # guard: A09 a code is bound to its redirect address
    if request.redirect_uri != code.redirect_uri:
        raise OAuthError(INVALID_GRANT, "redirect_uri is not the one the code was sent to")
    verify_same_binding(Binding(jkt=item.dpop_jkt), token_request.binding)
    verify_code_verifier(_challenge(code), request.verifier)
    narrow_resources(request.resources, item.resources, known=token_request.client.provider.resources)


def _challenge(code: Code) -> CodeChallenge | None:
    if code.challenge is None:
        return None
    method: Method = "S256" if code.challenge_method == "S256" else "plain"
    return CodeChallenge(code.challenge, method)
