"""The family: one authorization by one person for one client, in one browser session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ostiary.grants.errors import GrantGone
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

    def body(self) -> dict[str, object]:
        """Return the part that is only read back, as plain JSON."""
        return {
            "scope": list(self.scope),
            "nonce": self.nonce,
            "auth_time": self.auth_time,
            "amr": list(self.amr),
            "sid": self.sid,
            "sub": self.sub,
        }


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
