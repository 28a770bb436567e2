"""One event as a statement, to be written in the transaction of what it tells."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

from ostiary.events.masking import clean_text, cleanse
from ostiary.resource import codec
from ostiary.store.database import Statement

DAY: Final = 86_400_000_000
RETENTION: Final = 365 * DAY  # microseconds
_BIG: Final = 2**62

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
) -> Statement:
    """Return the statement that writes one event.

    `action` is one of authentik's names, or begins with "custom_". `user` is {"pk", "username", "email"} or what is
    known of it; None is nobody. Secrets in `context` become stars, oversized texts are cut. Times are microseconds
    UTC; an event expires after 365 days unless told otherwise. Raises ValueError for an unknown action.
    """
    return statement(
        action,
        user=user,
        app=app,
        context=_mapping(cleanse(context)),
        client_ip=client_ip,
        now=now,
        expires=expires,
        brand=brand,
    )


def statement(
    action: str,
    *,
    user: Mapping[str, object] | None,
    app: str,
    context: Mapping[str, object],
    client_ip: str | None,
    now: int,
    expires: int | None = None,
    brand: Mapping[str, object] | None = None,
) -> Statement:
    """Return the statement for a context that is clean already, as the audit's masked differences are."""
    if action not in ACTIONS and not action.startswith("custom_"):
        message = f"no such event action: {action}"
        raise ValueError(message)
    who = _mapping(cleanse(user or {}))
    pk = who.get("pk")
    return Statement(
        "INSERT INTO event (pk, created, expires, action, app, who, user_pk, username, context, client_ip, brand)"
        " VALUES (?, ?, ?, ?, ?, ?, CAST(? AS BIGINT), ?, ?, CAST(? AS TEXT), ?)",
        (
            str(uuid.uuid4()),
            now,
            now + RETENTION if expires is None else expires,
            action,
            clean_text(app, 128),
            codec.encode_canonical(who),
            pk if isinstance(pk, int) and abs(pk) < _BIG else None,
            str(who.get("username", "")),
            codec.encode_canonical(context),
            clean_text(client_ip, 64) if client_ip else None,
            codec.encode_canonical(cleanse(brand)) if brand else "{}",
        ),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
