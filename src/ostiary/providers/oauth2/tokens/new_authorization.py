"""The new authorization of a client, from the session of its user; for browsers and devices alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.grants.family import Authorization
from ostiary.proto.oauth2.authorization.claims_request import NO_CLAIMS, ClaimsRequest
from ostiary.proto.oauth2.scope import OFFLINE_ACCESS
from ostiary.providers.oauth2.tokens.claims import session_id, sub_claim
from ostiary.store.hashing import new_token

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.sessions.session import Session


def new_authorization(
    client: Client,
    session: Session,
    subject: Subject,
    *,
    scope: tuple[str, ...],
    salt: str,
    now: int,
    nonce: str | None = None,
    claims: ClaimsRequest = NO_CLAIMS,
    resources: tuple[str, ...] = (),
    dpop_jkt: str | None = None,
    acr: str | None = None,
) -> Authorization:
    """Return a new authorization (see there for what each is). `salt` is the install id, `now` microseconds UTC."""
    return Authorization(
        family=new_token(128),
        provider=client.pk,
        user=subject.user.pk,
        session=session.key,
        offline=OFFLINE_ACCESS in scope,
        scope=scope,
        nonce=nonce,
        auth_time=session.auth_time or now,
        amr=session.amr,
        sid=session_id(session.key),
        sub=sub_claim(subject, client, salt=salt),
        claims=claims,
        resources=resources,
        dpop_jkt=dpop_jkt,
        acr=acr,
    )
