"""The family: one authorization by a user for a client, in one browser session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ostiary.grants.errors import GrantGone
from ostiary.proto.oauth2.authorization.claims_request import NO_CLAIMS, ClaimsRequest, load_claims
from ostiary.record import dataclass
from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Guard, Statement, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """An authorization. `session` is the key of the browser session, or None after its end."""

    family: str  # 32 hex digits
    provider: int
    user: int
    session: bytes | None
    offline: bool  # survives the session (OpenID Connect Core 11)
    scope: tuple[str, ...]
    nonce: str | None
    auth_time: int  # microseconds UTC
    amr: tuple[str, ...]
    sid: str | None  # the session id for the client
    sub: str  # the subject identifier at the time of the authorization (OpenID Connect Core 12.2)
    claims: ClaimsRequest = NO_CLAIMS  # individually requested claims (OpenID Connect Core 5.5)
    resources: tuple[str, ...] = ()  # the granted resource indicators (RFC 8707)
    dpop_jkt: str | None = None  # thumbprint of the key to which the code is bound (RFC 9449 10)
    acr: str | None = None  # the requested and reached authentication class; None: the default

    def body(self) -> dict[str, object]:
        """Return the members that have no column, as plain JSON. Unset optional members are omitted."""
        body: dict[str, object] = {
            "scope": list(self.scope),
            "nonce": self.nonce,
            "auth_time": self.auth_time,
            "amr": list(self.amr),
            "sid": self.sid,
            "sub": self.sub,
        }
        if self.claims:
            body["claims"] = self.claims.body()
        if self.resources:
            body["resources"] = list(self.resources)
        if self.dpop_jkt is not None:
            body["dpop_jkt"] = self.dpop_jkt
        if self.acr is not None:
            body["acr"] = self.acr
        return body


def load_authorization(
    body: Mapping[str, object], *, family: str, provider: int, user: int, session: bytes | None, offline: bool
) -> Authorization:
    """Return the authorization of a stored body and its columns."""
    data = cast("Mapping[str, Any]", body)
    return Authorization(
        family=family,
        provider=provider,
        user=user,
        session=session,
        offline=offline,
        scope=tuple(data["scope"]),
        nonce=data["nonce"],
        auth_time=data["auth_time"],
        amr=tuple(data["amr"]),
        sid=data["sid"],
        sub=data["sub"],
        claims=load_claims(data.get("claims")),
        resources=tuple(data.get("resources", ())),
        dpop_jkt=data.get("dpop_jkt"),
        acr=data.get("acr"),
    )


def insert_family(item: Authorization, *, now: int, expires: int) -> Statement:
    """Return the statement that inserts a family. It expires at `expires`, or later, with its last token."""
    return Statement(
        "INSERT INTO grant_family (id, provider, user_pk, session, offline, body, issued, expires) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item.family,
            item.provider,
            item.user,
            item.session,
            int(item.offline),
            encode_canonical(item.body()),
            now,
            expires,
        ),
    )


def lock_family(item: Authorization, *, expires: int, gone: type[Exception] = GrantGone) -> Statement:
    """Return the statement that locks a family. It is the first of every change. Raises `gone` if the family has ended.

    The session is compared as well: if it has ended meanwhile, the family must not get new tokens of that session.
    """
    parameters: list[Value] = [expires, expires, item.family]
    if item.session is not None:
        parameters.append(item.session)
    same = "session = ?" if item.session is not None else "session IS NULL"
    return Statement(
        f"UPDATE grant_family SET expires = CASE WHEN expires < ? THEN ? ELSE expires END WHERE id = ? AND {same}",
        parameters,
        Guard(gone),
    )
