"""The tables of this room. Their names collide with no reserved word of either database.

There are no foreign keys, because a unit of work may write rows in any order. Deletes remove dependent rows, joins
ignore dangling links, and keys are never reused.
"""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

_USERS: Final = (
    """CREATE TABLE directory_user (
        pk {int} PRIMARY KEY,
        uuid {text} NOT NULL UNIQUE,
        username {text} NOT NULL,
        username_key {text} NOT NULL UNIQUE,
        name {text} NOT NULL,
        email {text} NOT NULL,
        email_key {text} NOT NULL,
        upn_key {text} NOT NULL,
        is_active {int} NOT NULL,
        kind {text} NOT NULL,
        path {text} NOT NULL,
        attributes {text} NOT NULL,
        password {text} NOT NULL,
        last_login {int},
        date_joined {int} NOT NULL,
        password_change_date {int} NOT NULL,
        last_updated {int} NOT NULL
    )""",
    "CREATE INDEX directory_user_email ON directory_user (email_key)",
    "CREATE INDEX directory_user_upn ON directory_user (upn_key)",
    "CREATE INDEX directory_user_path ON directory_user (path, pk)",
)
_GROUPS: Final = (
    """CREATE TABLE directory_group (
        pk {text} PRIMARY KEY,
        name {text} NOT NULL UNIQUE,
        is_superuser {int} NOT NULL,
        attributes {text} NOT NULL
    )""",
    """CREATE TABLE directory_role (
        pk {text} PRIMARY KEY,
        name {text} NOT NULL UNIQUE,
        permissions {text} NOT NULL
    )""",
    """CREATE TABLE directory_user_group (
        user_pk {int} NOT NULL,
        group_pk {text} NOT NULL,
        PRIMARY KEY (user_pk, group_pk)
    )""",
    "CREATE INDEX directory_user_group_back ON directory_user_group (group_pk, user_pk)",
    """CREATE TABLE directory_group_parent (
        child_pk {text} NOT NULL,
        parent_pk {text} NOT NULL,
        PRIMARY KEY (child_pk, parent_pk)
    )""",
    "CREATE INDEX directory_group_parent_back ON directory_group_parent (parent_pk, child_pk)",
    """CREATE TABLE directory_user_role (
        user_pk {int} NOT NULL,
        role_pk {text} NOT NULL,
        PRIMARY KEY (user_pk, role_pk)
    )""",
    "CREATE INDEX directory_user_role_back ON directory_user_role (role_pk, user_pk)",
    """CREATE TABLE directory_group_role (
        group_pk {text} NOT NULL,
        role_pk {text} NOT NULL,
        PRIMARY KEY (group_pk, role_pk)
    )""",
    "CREATE INDEX directory_group_role_back ON directory_group_role (role_pk, group_pk)",
)
_TOKENS: Final = (
    """CREATE TABLE directory_token (
        pk {text} PRIMARY KEY,
        identifier {text} NOT NULL UNIQUE,
        intent {text} NOT NULL,
        user_pk {int} NOT NULL,
        description {text} NOT NULL,
        managed {text} UNIQUE,
        expiring {int} NOT NULL,
        expires {int},
        key_hash {blob} NOT NULL UNIQUE,
        key_sealed {text},
        without_mfa {int} NOT NULL
    )""",
    "CREATE INDEX directory_token_user ON directory_token (user_pk, intent)",
    "CREATE INDEX directory_token_expires ON directory_token (expires)",
)
_DEVICES: Final = (
    """CREATE TABLE directory_totp (
        pk {identity},
        uuid {text} NOT NULL UNIQUE,
        user_pk {int} NOT NULL,
        name {text} NOT NULL,
        confirmed {int} NOT NULL,
        key_sealed {text} NOT NULL,
        digits {int} NOT NULL,
        step {int} NOT NULL,
        t0 {int} NOT NULL,
        tolerance {int} NOT NULL,
        drift {int} NOT NULL,
        last_t {int} NOT NULL,
        failures {int} NOT NULL,
        delay {int} NOT NULL,
        locked_until {int} NOT NULL,
        created {int} NOT NULL,
        last_updated {int} NOT NULL,
        last_used {int}
    )""",
    "CREATE INDEX directory_totp_user ON directory_totp (user_pk)",
    """CREATE TABLE directory_static (
        pk {identity},
        uuid {text} NOT NULL UNIQUE,
        user_pk {int} NOT NULL,
        name {text} NOT NULL,
        confirmed {int} NOT NULL,
        failures {int} NOT NULL,
        delay {int} NOT NULL,
        locked_until {int} NOT NULL,
        created {int} NOT NULL,
        last_updated {int} NOT NULL,
        last_used {int}
    )""",
    "CREATE INDEX directory_static_user ON directory_static (user_pk)",
    """CREATE TABLE directory_static_code (
        device_uuid {text} NOT NULL,
        hash {blob} NOT NULL,
        PRIMARY KEY (device_uuid, hash)
    )""",
)
_STATE: Final = (
    """CREATE TABLE directory_attempt (
        key {text} PRIMARY KEY,
        failures {int} NOT NULL,
        started {int} NOT NULL,
        delay {int} NOT NULL,
        blocked_until {int} NOT NULL,
        expires {int} NOT NULL
    )""",
    "CREATE INDEX directory_attempt_expires ON directory_attempt (expires)",
    """CREATE TABLE directory_install (
        one {int} PRIMARY KEY CHECK (one = 1),
        install_id {text} NOT NULL,
        setup_hash {blob},
        setup_expires {int} NOT NULL,
        setup_closed {int} NOT NULL,
        token_given {int} NOT NULL,
        hierarchy {int} NOT NULL
    )""",
    (
        "INSERT INTO directory_install (one, install_id, setup_expires, setup_closed, token_given, hierarchy)"
        " VALUES (1, '', 0, 0, 0, 0)"
    ),
)

MIGRATIONS: Final = (
    Migration(
        5,
        "directory",
        "users, groups, roles, tokens, authenticators",
        (*_USERS, *_GROUPS, *_TOKENS, *_DEVICES, *_STATE),
    ),
    Migration(
        51,
        "directory",
        "security stamps, which invalidate pending sign-ins",
        ("ALTER TABLE directory_user ADD COLUMN security_stamp {int} NOT NULL DEFAULT 0",),
    ),
    Migration(
        52,
        "directory",
        "attempts are counted before their verification",
        (
            "DELETE FROM directory_attempt",
            "ALTER TABLE directory_attempt ADD COLUMN most {int} NOT NULL DEFAULT 10",
        ),
    ),
    Migration(
        54,
        "directory",
        "installations older than pinned hosts serve any host until one is pinned",
        (
            "ALTER TABLE directory_install ADD COLUMN hosts_open {int} NOT NULL DEFAULT 0",
            (
                "UPDATE directory_install SET hosts_open = 1"
                " WHERE setup_closed = 1 OR EXISTS (SELECT 1 FROM directory_user)"
            ),
        ),
    ),
)
