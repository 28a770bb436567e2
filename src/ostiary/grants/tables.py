"""The tables of this room."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

MIGRATIONS: Final[tuple[Migration, ...]] = (
    Migration(
        7,
        "grants",
        "token families, refresh and access tokens",
        (
            """
            CREATE TABLE grant_family (
                id {text} PRIMARY KEY,
                provider {int} NOT NULL,
                user_pk {int} NOT NULL,
                session {blob},
                offline {int} NOT NULL,
                body {text} NOT NULL,
                issued {int} NOT NULL,
                expires {int} NOT NULL
            )""",
            "CREATE INDEX grant_family_session ON grant_family (session)",
            "CREATE INDEX grant_family_user ON grant_family (user_pk)",
            "CREATE INDEX grant_family_expires ON grant_family (expires)",
            """
            CREATE TABLE refresh_token (
                hash {blob} PRIMARY KEY,
                family {text} NOT NULL,
                parent {blob},
                user_pk {int} NOT NULL,
                session {blob},
                issued {int} NOT NULL,
                expires {int} NOT NULL,
                rotated {int}
            )""",
            "CREATE INDEX refresh_token_family ON refresh_token (family, parent)",
            "CREATE INDEX refresh_token_session ON refresh_token (session)",
            "CREATE INDEX refresh_token_user ON refresh_token (user_pk)",
            "CREATE INDEX refresh_token_expires ON refresh_token (expires)",
            """
            CREATE TABLE access_token (
                hash {blob} PRIMARY KEY,
                family {text},
                provider {int} NOT NULL,
                user_pk {int} NOT NULL,
                session {blob},
                scope {text} NOT NULL,
                issued {int} NOT NULL,
                expires {int} NOT NULL
            )""",
            "CREATE INDEX access_token_family ON access_token (family)",
            "CREATE INDEX access_token_session ON access_token (session)",
            "CREATE INDEX access_token_user ON access_token (user_pk)",
            "CREATE INDEX access_token_expires ON access_token (expires)",
        ),
    ),
)
