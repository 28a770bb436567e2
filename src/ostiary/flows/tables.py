"""The tables of this room."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        number=6,
        room="flows",
        title="flow plans and proofs of completion",
        statements=(
            # `body` is sealed: answers on their way to a stage, and secrets of devices not yet confirmed, are in it.
            """CREATE TABLE flow_plan (
                session {blob} NOT NULL,
                slug {text} NOT NULL,
                id {text} NOT NULL UNIQUE,
                version {int} NOT NULL,
                body {text} NOT NULL,
                expires {int} NOT NULL,
                PRIMARY KEY (session, slug)
            )""",
            "CREATE INDEX flow_plan_expires ON flow_plan (expires)",
            """CREATE TABLE flow_completion (
                session {blob} NOT NULL,
                completion {text} NOT NULL,
                expires {int} NOT NULL,
                PRIMARY KEY (session, completion)
            )""",
            "CREATE INDEX flow_completion_expires ON flow_completion (expires)",
        ),
    ),
    Migration(
        number=62,
        room="flows",
        title="one plan for each destination",
        statements=(
            # `destination` is the key of the plan's destination (see `destination.destination_key`), so that tabs with
            # different destinations do not share a plan. `flow_plan` is dead: this version does not use it. It must
            # stay as long as a supported older image reads it, because both serve the same database in an upgrade.
            """CREATE TABLE flow_tab_plan (
                session {blob} NOT NULL,
                slug {text} NOT NULL,
                destination {text} NOT NULL,
                id {text} NOT NULL UNIQUE,
                version {int} NOT NULL,
                body {text} NOT NULL,
                expires {int} NOT NULL,
                PRIMARY KEY (session, slug, destination)
            )""",
            """INSERT INTO flow_tab_plan (session, slug, destination, id, version, body, expires)
                SELECT session, slug, '', id, version, body, expires FROM flow_plan""",
            "CREATE INDEX flow_tab_plan_expires ON flow_tab_plan (expires)",
        ),
    ),
    Migration(
        number=61,
        room="flows",
        title="consents",
        statements=(
            """CREATE TABLE consent (
                user_id {int} NOT NULL,
                application {text} NOT NULL,
                permissions {text} NOT NULL,
                created {int} NOT NULL,
                expires {int},
                PRIMARY KEY (user_id, application)
            )""",
            "CREATE INDEX consent_expires ON consent (expires)",
        ),
    ),
    Migration(
        number=96,
        room="flows",
        title="links by mail that continue a flow",
        statements=(
            # `key_hash` and `recipient` are SHA-256 digests; `body` is sealed.
            """CREATE TABLE flow_link (
                key_hash {blob} PRIMARY KEY,
                slug {text} NOT NULL,
                recipient {blob} NOT NULL,
                created {int} NOT NULL,
                expires {int} NOT NULL,
                used {int},
                body {text} NOT NULL
            )""",
            "CREATE INDEX flow_link_recipient ON flow_link (recipient, created)",
            "CREATE INDEX flow_link_expires ON flow_link (expires)",
        ),
    ),
    Migration(
        number=97,
        room="flows",
        title="passkeys",
        statements=(
            # Credential ID and public key (COSE) are base64url, as authentik's; `user_handle` is "" if it is unknown.
            """CREATE TABLE flow_webauthn (
                pk {identity},
                uuid {text} NOT NULL UNIQUE,
                user_pk {int} NOT NULL,
                name {text} NOT NULL,
                confirmed {int} NOT NULL,
                credential_id {text} NOT NULL UNIQUE,
                public_key {text} NOT NULL,
                sign_count {int} NOT NULL,
                rp_id {text} NOT NULL,
                aaguid {text} NOT NULL,
                transports {text} NOT NULL,
                user_handle {text} NOT NULL,
                backed_up {int} NOT NULL,
                failures {int} NOT NULL,
                delay {int} NOT NULL,
                locked_until {int} NOT NULL,
                created {int} NOT NULL,
                last_updated {int} NOT NULL,
                last_used {int}
            )""",
            "CREATE INDEX flow_webauthn_user ON flow_webauthn (user_pk)",
        ),
    ),
)
