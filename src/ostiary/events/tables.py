"""The table of events."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        4,
        "events",
        "the audit log",
        (
            """CREATE TABLE event (
                pk {text} PRIMARY KEY,
                created {int} NOT NULL,
                expires {int} NOT NULL,
                action {text} NOT NULL,
                app {text} NOT NULL,
                who {text} NOT NULL,
                user_pk {int},
                username {text} NOT NULL,
                context {text} NOT NULL,
                client_ip {text},
                brand {text} NOT NULL
            )""",
            "CREATE INDEX event_created ON event (created, pk)",
            "CREATE INDEX event_action ON event (action, created, pk)",
            "CREATE INDEX event_user ON event (user_pk, created, pk)",
            "CREATE INDEX event_expires ON event (expires)",
        ),
    ),
)
