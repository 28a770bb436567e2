"""grant_type=authorization_code (RFC 6749 4.1.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.binding import Binding
from ostiary.grants.code import Code, Unfit, use_code
from ostiary.grants.refresh import begin
from ostiary.proto.oauth2.authorization.pkce import Challenge, Method, WrongVerifier, check_verifier
from ostiary.proto.oauth2.errors import INVALID_GRANT, OAuthError
from ostiary.proto.oauth2.token import CodeRequest, narrow_resources, parse_code_request
from ostiary.providers.oauth2.client_authentication.token_binding import check_same
from ostiary.providers.oauth2.token.request import Asking, Granted, end_family
from ostiary.store.hashing import token_hash
from ostiary.store.single_use import Fresh, Replayed

if TYPE_CHECKING:
    from ostiary.providers.oauth2.tokens.issue import Issued
    from ostiary.store.database import Batch


async def authorization_code(asking: Asking) -> Granted:
    """Use a code. Raises OAuthError; a replay ends what came of the first use (4.1.2).

    Only a request that fits the code is a use or a replay of it: who has merely seen a code ends nothing.
    """
    asked = parse_code_request(asking.parameters)
    hashed, now = token_hash(asked.code), asking.now
    used = await asking.services.database.write(
        lambda: use_code(hashed, unfit=lambda code: _unfit(asking, asked, code), now=now)
    )
    if isinstance(used, Unfit):
        if used.spent:
            await end_family(asking, None, "an authorization code was tried with too many verifiers")
        raise used.error
    if isinstance(used, Replayed):
        await end_family(asking, used.family, "an authorization code was used twice")
    if not isinstance(used, Fresh):
        raise OAuthError(INVALID_GRANT, "unknown or expired code")
    item = used.body.authorization

    def store(issued: Issued) -> Batch[None]:
        ends = [issued.access.expires] if issued.refresh is None else [issued.access.expires, issued.refresh.expires]
        return begin(item, access=issued.access, refresh=issued.refresh, expires=max(ends))

    return Granted(
        authorization=item,
        scope=item.scope,
        rotate="refresh_token" in asking.client.provider.grant_types,
        nonce=item.nonce,
        store=store,
        resources=narrow_resources(asked.resources, item.resources, known=asking.client.provider.resources),
    )


def _unfit(asking: Asking, asked: CodeRequest, code: Code) -> Unfit | None:
    """Return what is wrong with the request of a code."""
    try:
        _compare(asking, asked, code)
    except OAuthError as error:
        return Unfit(error, guess=isinstance(error, WrongVerifier))
    return None


def _compare(asking: Asking, asked: CodeRequest, code: Code) -> None:
    """Raise OAuthError unless the request fits. Where the code is bound to a key, only its holder may guess."""
    item = code.authorization
    if item.provider != asking.client.pk:
        raise OAuthError(INVALID_GRANT, "the code was issued to another client")
    if asked.redirect_uri != code.redirect_uri:
        raise OAuthError(INVALID_GRANT, "redirect_uri is not the one the code was sent to")
    check_same(Binding(jkt=item.dpop_jkt), asking.binding)
    check_verifier(_challenge(code), asked.verifier)
    narrow_resources(asked.resources, item.resources, known=asking.client.provider.resources)


def _challenge(code: Code) -> Challenge | None:
    if code.challenge is None:
        return None
    method: Method = "S256" if code.challenge_method == "S256" else "plain"
    return Challenge(code.challenge, method)
