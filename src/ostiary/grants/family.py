"""The family: one authorization by one person for one client, in one browser session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ostiary.grants.errors import GrantGone
from ostiary.proto.oauth2.authorization.claims_request import NOTHING, ClaimsRequest, load_claims
from ostiary.record import dataclass
from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Guard, Statement, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What was allowed. `session` is the stored key of the browser session, None once that has ended."""

    family: str  # 32 hex digits
    provider: int
    user: int
    session: bytes | None
    offline: bool  # survives the session (OpenID Connect Core 11)
    scope: tuple[str, ...]
    nonce: str | None
    auth_time: int  # microseconds UTC
    amr: tuple[str, ...]
    sid: str | None  # what clients know the session by
    sub: str  # what clients know the person by, as it was when they allowed it (OpenID Connect Core 12.2)
    claims: ClaimsRequest = NOTHING  # single claims asked for (OpenID Connect Core 5.5)
    resources: tuple[str, ...] = ()  # the resource indicators granted (RFC 8707)
    dpop_jkt: str | None = None  # thumbprint of the key the code is bound to (RFC 9449 10)
    acr: str | None = None  # the class that was asked for and reached; None: the usual one

    def body(self) -> dict[str, object]:
        """Return the part that is only read back, as plain JSON. What was not asked for takes no room."""
        made: dict[str, object] = {
            "scope": list(self.scope),
            "nonce": self.nonce,
            "auth_time": self.auth_time,
            "amr": list(self.amr),
            "sid": self.sid,
            "sub": self.sub,
        }
        if self.claims:
            made["claims"] = self.claims.body()
        if self.resources:
            made["resources"] = list(self.resources)
        if self.dpop_jkt is not None:
            made["dpop_jkt"] = self.dpop_jkt
        if self.acr is not None:
            made["acr"] = self.acr
        return made


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
    """Return the statement that begins a family; it lives until `expires`, or its longest token."""
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


def hold_family(item: Authorization, *, expires: int, gone: type[Exception] = GrantGone) -> Statement:
    """Return the statement every change begins with: it locks the row, and fails with `gone` when it changed.

    The session is compared as well: a family whose session ended since it was read must not get tokens of it.
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
