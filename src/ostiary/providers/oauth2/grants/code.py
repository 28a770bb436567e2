"""grant_type=authorization_code (RFC 6749 4.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.binding import Binding
from ostiary.grants.code import Code, consume_code
from ostiary.grants.refresh import begin
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.proto.oauth2.pkce import Challenge, Method, check_verifier
from ostiary.proto.oauth2.token import narrow_resources, parse_code_request
from ostiary.providers.oauth2.asking import Asking, Granted, end_family
from ostiary.providers.oauth2.possession import check_same
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Fresh, Replayed

if TYPE_CHECKING:
    from ostiary.providers.oauth2.issue import Issued
    from ostiary.store.database import Batch


async def authorization_code(asking: Asking) -> Granted:
    """Use a code. Raises OAuthError; a replay ends what came of the first use (4.1.2)."""
    asked = parse_code_request(asking.parameters)
    hashed, now = token_hash(asked.code), asking.now
    consumed = await asking.services.database.write(lambda: consume_code(hashed, now=now))
    if isinstance(consumed, Replayed):
        await end_family(asking, consumed.family, "an authorization code was used twice")
    if not isinstance(consumed, Fresh):
        raise OAuthError(INVALID_GRANT, "unknown or expired code")
    code: Code = consumed.body
    item = code.authorization
    if item.provider != asking.client.pk:
        raise OAuthError(INVALID_GRANT, "the code was issued to another client")
    if asked.redirect_uri != code.redirect_uri:
        raise OAuthError(INVALID_GRANT, "redirect_uri is not the one the code was sent to")
    check_verifier(_challenge(code), asked.verifier)
    check_same(Binding(jkt=item.dpop_jkt), asking.binding)

    def store(issued: Issued) -> Batch[None]:
        ends = [issued.access.expires] if issued.refresh is None else [issued.access.expires, issued.refresh.expires]
        return begin(item, access=issued.access, refresh=issued.refresh, expires=max(ends))

    return Granted(
        authorization=item,
        scope=item.scope,
        rotate="refresh_token" in asking.client.provider.grant_types,
        nonce=item.nonce,
        store=store,
        resources=narrow_resources(asked.resources, item.resources),
    )


def _challenge(code: Code) -> Challenge | None:
    if code.challenge is None:
        return None
    method: Method = "S256" if code.challenge_method == "S256" else "plain"
    return Challenge(code.challenge, method)
