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
    Migration(
        71,
        "grants",
        "claims of opaque access tokens, token bindings, device codes, rate counters",
        (
            "ALTER TABLE access_token ADD COLUMN body {text} NOT NULL DEFAULT ''",
            "ALTER TABLE access_token ADD COLUMN jkt {text}",
            "ALTER TABLE access_token ADD COLUMN x5t {text}",
            "ALTER TABLE refresh_token ADD COLUMN jkt {text}",
            "ALTER TABLE refresh_token ADD COLUMN x5t {text}",
            """
            CREATE TABLE device_grant (
                hash {blob} PRIMARY KEY,
                user_hash {blob} NOT NULL UNIQUE,
                provider {int} NOT NULL,
                scope {text} NOT NULL,
                issued {int} NOT NULL,
                expires {int} NOT NULL,
                wait {int} NOT NULL,
                polled {int} NOT NULL,
                state {text} NOT NULL,
                session {blob},
                user_pk {int},
                family {text},
                offline {int} NOT NULL,
                body {text} NOT NULL
            )""",
            "CREATE INDEX device_grant_session ON device_grant (session)",
            "CREATE INDEX device_grant_user ON device_grant (user_pk)",
            "CREATE INDEX device_grant_expires ON device_grant (expires)",
            """
            CREATE TABLE grant_rate (
                key {text} PRIMARY KEY,
                hits {int} NOT NULL,
                expires {int} NOT NULL
            )""",
            "CREATE INDEX grant_rate_expires ON grant_rate (expires)",
        ),
    ),
    Migration(
        74,
        "grants",
        "the clients of a browser session",
        (
            # `body` is canonical JSON of issuer, sid and sub. It is part of the key, and the arguments of the task.
            """
            CREATE TABLE session_party (
                id {text} PRIMARY KEY,
                session {blob} NOT NULL,
                provider {int} NOT NULL,
                user_pk {int} NOT NULL,
                body {text} NOT NULL,
                UNIQUE (session, provider, body)
            )""",
            "CREATE INDEX session_party_user ON session_party (user_pk)",
        ),
    ),
    Migration(
        75,
        "grants",
        "partial indexes: machine tokens have no family and no session",
        (
            "DROP INDEX access_token_family",
            "CREATE INDEX access_token_family ON access_token (family) WHERE family IS NOT NULL",
            "DROP INDEX access_token_session",
            "CREATE INDEX access_token_session ON access_token (session) WHERE session IS NOT NULL",
        ),
    ),
    Migration(
        90,
        "grants",
        "derived access tokens",
        (
            """
            CREATE TABLE access_descent (
                token {blob} PRIMARY KEY,
                source {blob} NOT NULL
            )""",
            "CREATE INDEX access_descent_source ON access_descent (source)",
        ),
    ),
)
