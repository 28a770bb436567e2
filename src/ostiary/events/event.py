"""The statement of an event. It belongs in the transaction of the change that it records."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Final

from ostiary.events.masking import clean_text, cleanse
from ostiary.resource import codec
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import Statement

DAY: Final = 86_400_000_000
RETENTION: Final = 365 * DAY
"""The default of `Settings.event_retention`, in microseconds."""
AS_SET: Final = 2**62
"""The stored expiry of events that are kept as long as that setting says."""
_BIG: Final = 2**62
_CACHED_BYTES: Final = 512  # a larger event is not cached
_CACHED_EVENTS: Final = 1024
_MILLISECONDS: Final = 2**48 - 1
_ids: Final = Random()  # noqa: S311 - primary keys of events are not secret

ACTIONS: Final = frozenset(
    [
        "login",
        "login_failed",
        "logout",
        "user_write",
        "suspicious_request",
        "password_set",
        "secret_view",
        "secret_rotate",
        "invitation_used",
        "authorize_application",
        "source_linked",
        "impersonation_started",
        "impersonation_ended",
        "flow_execution",
        "policy_execution",
        "policy_exception",
        "property_mapping_exception",
        "system_task_execution",
        "system_task_exception",
        "system_exception",
        "configuration_error",
        "configuration_warning",
        "model_created",
        "model_updated",
        "model_deleted",
        "email_sent",
        "update_available",
        "export_ready",
        "review_initiated",
        "review_overdue",
        "review_attested",
        "review_completed",
    ]
)


def event(
    action: str,
    *,
    user: Mapping[str, object] | None,
    app: str,
    context: Mapping[str, object],
    client_ip: str | None,
    now: int,
    expires: int | None = None,
    brand: Mapping[str, object] | None = None,
    cleansed: bool = False,
) -> Statement:
    """Return the statement that writes an event.

    `action` is one of authentik's names, or begins with "custom_". `user` is {"pk", "username", "email"}, or a part of
    it; None: no user. Secrets in `context` are masked, and long texts truncated. Times are in microseconds UTC. Without
    `expires`, an event is kept as long as `Settings.event_retention` says. With `cleansed` the context is written as it
    is, such as the masked diffs of `audit`. Raises ValueError for an unknown action.
    """
    if action not in ACTIONS and not action.startswith("custom_"):
        message = f"no such event action: {action}"
        raise ValueError(message)
    columns = (*_who(user), codec.encode_canonical(context)) if cleansed else _columns(user, context)
    return _row(action, columns, app=app, client_ip=client_ip, now=now, expires=expires, brand=brand)


def new_context(pk: str, context: Mapping[str, object]) -> Statement:
    """Return the statement that replaces the context of an event, if it is there."""
    return Statement("UPDATE event SET context = ? WHERE pk = ?", (_columns(None, context)[3], pk))


_Columns = tuple[str, int | None, str, str]
"""The columns who, user_pk, username and context."""


def _row(
    action: str,
    columns: _Columns,
    *,
    app: str,
    client_ip: str | None,
    now: int,
    expires: int | None,
    brand: Mapping[str, object] | None,
) -> Statement:
    who, user_pk, username, context = columns
    return Statement(
        "INSERT INTO event (pk, created, expires, action, app, who, user_pk, username, context, client_ip, brand)"
        " VALUES (?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, CAST(? AS TEXT), ?)",
        (
            _key(now),
            now,
            AS_SET if expires is None else expires,
            action,
            clean_text(app, 128),
            who,
            user_pk,
            username,
            context,
            clean_text(client_ip, 64) if client_ip else None,
            codec.encode_canonical(cleanse(brand)) if brand else "{}",
        ),
    )


def _key(now: int) -> str:
    """Return a UUID of version 7 (RFC 9562 5.7). It begins with the time: new rows are adjacent in the index."""
    digits = f"{now // 1000 & _MILLISECONDS:012x}7{_ids.getrandbits(76):019x}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _columns(user: Mapping[str, object] | None, context: Mapping[str, object]) -> _Columns:
    """Return the columns of an event. They are cached, because users repeat the same actions.

    A context with a `Secret` cannot be encoded, so that it is never cached.
    """
    try:
        raw = codec.encode((user, context))
    except (TypeError, ValueError):
        return _cleaned(user, context)
    columns = _cache.get(raw)
    if columns is None:
        columns = _cleaned(user, context)
        if len(raw) <= _CACHED_BYTES:
            _cache.keep(raw, columns)
    return columns


def _cleaned(user: Mapping[str, object] | None, context: Mapping[str, object]) -> _Columns:
    return *_who(user), codec.encode_canonical(_mapping(cleanse(context)))


_cache: Final[BoundedCache[bytes, _Columns]] = BoundedCache(_CACHED_EVENTS)


def _who(user: Mapping[str, object] | None) -> tuple[str, int | None, str]:
    who = _mapping(cleanse(user or {}))
    pk = who.get("pk")
    number = pk if isinstance(pk, int) and abs(pk) < _BIG else None
    return codec.encode_canonical(who), number, str(who.get("username", ""))


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
