"""The table of sessions. Only the SHA-256 of a session id is stored."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        2,
        "sessions",
        "browser sessions",
        (
            """CREATE TABLE session (
                key {blob} PRIMARY KEY,
                pk {text} NOT NULL UNIQUE,
                created {int} NOT NULL,
                last_seen {int} NOT NULL,
                expires {int} NOT NULL,
                idle_expires {int} NOT NULL,
                idle {int} NOT NULL,
                persistent {int} NOT NULL,
                user_pk {int},
                auth_time {int},
                auth_method {text} NOT NULL,
                auth_args {text} NOT NULL,
                amr {text} NOT NULL,
                address {text} NOT NULL,
                user_agent {text} NOT NULL,
                who {text} NOT NULL,
                data {text} NOT NULL
            )""",
            "CREATE INDEX session_by_user ON session (user_pk)",
            "CREATE INDEX session_idle ON session (idle_expires)",
        ),
    ),
)
