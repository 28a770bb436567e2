"""grant_type=urn:ietf:params:oauth:grant-type:device_code (RFC 8628 3.4, 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.grants.device_codes import Poll, poll_device
from ostiary.grants.refresh_tokens import store_first_tokens
from ostiary.proto.oauth2.errors import (
    ACCESS_DENIED,
    AUTHORIZATION_PENDING,
    EXPIRED_TOKEN,
    INVALID_GRANT,
    SLOW_DOWN,
    OAuthError,
)
from ostiary.providers.oauth2.token.request import GrantResult, TokenRequest
from ostiary.store.hashing import token_hash

if TYPE_CHECKING:
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch

_ANSWERS: Final = {
    Poll.PENDING: (AUTHORIZATION_PENDING, "pending"),
    Poll.TOO_EARLY: (SLOW_DOWN, "polled before the interval was over"),
    Poll.DENIED: (ACCESS_DENIED, "the person, or a policy, refused"),
    Poll.EXPIRED: (EXPIRED_TOKEN, "expired device code"),
    Poll.UNKNOWN: (INVALID_GRANT, "unknown device code, or another client's"),
}


async def device_code(token_request: TokenRequest) -> GrantResult:
    """Consume the authorization granted to the device. Raises OAuthError: authorization_pending, slow_down, others."""
    hashed, now = token_hash(token_request.parameters.need("device_code")), token_request.now
    granted = await token_request.services.database.write(
        lambda: poll_device(hashed, provider=token_request.client.pk, now=now)
    )
    if isinstance(granted, Poll):
        raise OAuthError(*_ANSWERS[granted])

    def store(issued: Issued) -> Batch[None]:
        ends = [issued.access.expires] if issued.refresh is None else [issued.access.expires, issued.refresh.expires]
        return store_first_tokens(granted, access=issued.access, refresh=issued.refresh, expires=max(ends))

    return GrantResult(
        authorization=granted,
        scope=granted.scope,
        rotate="refresh_token" in token_request.client.provider.grant_types,
        nonce=None,
        store=store,
    )
