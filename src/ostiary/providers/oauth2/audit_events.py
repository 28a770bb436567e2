"""The audit events of OAuth2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.events.event import event

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.providers.oauth2.provider.client import Client
    from ostiary.store.database import Statement

APP: Final = "authentik_providers_oauth2"


def authorized(
    client: Client,
    subject: Subject,
    *,
    scope: tuple[str, ...],
    client_ip: str,
    now: int,
    flow: str = "authorization_code",
) -> Statement:
    """Return the event of a code, or of tokens, that a person allowed."""
    return event(
        "authorize_application",
        user=subject.user.who,
        app=APP,
        context={
            "authorized_application": {
                "app": "authentik_core",
                "model_name": "application",
                "pk": str(client.application.pk),
                "name": client.application.name,
            },
            "flow": flow,
            "scopes": " ".join(scope),
        },
        client_ip=client_ip,
        now=now,
    )


def suspicious(
    client: Client, message: str, *, user: Mapping[str, object] | None, client_ip: str, now: int
) -> Statement:
    """Return the event of a code or refresh token that was used twice."""
    return event(
        "suspicious_request",
        user=user,
        app=APP,
        context={"message": message, "provider": client.pk, "client_id": client.provider.client_id},
        client_ip=client_ip,
        now=now,
    )
