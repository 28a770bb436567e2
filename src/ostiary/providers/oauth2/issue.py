"""Making the tokens of one answer: signed here, stored by the grant's own batch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.grants.access import AccessToken
from ostiary.grants.refresh import NewRefresh
from ostiary.proto.jose import sign
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS
from ostiary.proto.oauth2.token import TokenAnswer
from ostiary.providers.oauth2.claims import half_hash, identity_claims, random_text
from ostiary.resource import codec
from ostiary.store.hashing import new_token, token_hash

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.grants.family import Authorization
    from ostiary.mappings.claims import Claims
    from ostiary.providers.oauth2.client import Client

_REFRESH_BITS = 768  # 128 characters, as clients have seen
_SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """The answer, the rows that stand for it, and what the mappings could not say."""

    answer: TokenAnswer
    access: AccessToken
    refresh: NewRefresh | None
    claims: Claims


async def issue_tokens(
    client: Client,
    authorization: Authorization,
    subject: Subject,
    *,
    scope: tuple[str, ...],
    issuer: str,
    rotate: bool,
    nonce: str | None,
    now: int,
) -> Issued:
    """Return new tokens. `rotate` asks for a refresh token, given only with offline_access. Nothing is stored."""
    claims = client.claim_set.claims(subject, scope)
    common = identity_claims(client, authorization, issuer=issuer, claims=claims.values, now=now)
    access_claims = {**common, "azp": client.provider.client_id, "uid": random_text(), "scope": " ".join(scope)}
    identity = common if client.provider.include_claims_in_id_token else _without(common, claims.values)
    if nonce is not None:
        identity = {**identity, "nonce": nonce}
        access_claims["nonce"] = nonce
    if client.key.slow:
        access_token, id_token = await asyncio.to_thread(_sign_both, client, access_claims, identity)
    else:
        access_token, id_token = _sign_both(client, access_claims, identity)
    refresh_token = new_token(_REFRESH_BITS) if rotate and OFFLINE_ACCESS in authorization.scope else None
    return Issued(
        answer=TokenAnswer(access_token, client.access_lifetime // _SECOND, scope, id_token, refresh_token),
        access=AccessToken(
            hash=token_hash(access_token),
            family=authorization.family,
            provider=client.pk,
            user=authorization.user,
            session=authorization.session,
            scope=scope,
            issued=now,
            expires=now + client.access_lifetime,
        ),
        refresh=None
        if refresh_token is None
        else NewRefresh(hash=token_hash(refresh_token), expires=now + client.refresh_lifetime),
        claims=claims,
    )


def _sign_both(client: Client, access_claims: Mapping[str, object], identity: Mapping[str, object]) -> tuple[str, str]:
    access_token = sign(codec.encode(access_claims), client.key)
    at_hash = half_hash(access_token, client.key.algorithm)
    return access_token, sign(codec.encode({**identity, "at_hash": at_hash}), client.key)


def _without(common: Mapping[str, object], claims: Mapping[str, object]) -> dict[str, object]:
    kept = {"sub", "acr", "amr"}
    return {name: value for name, value in common.items() if name not in claims or name in kept}
