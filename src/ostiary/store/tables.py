"""The tables of this room that belong to no plane: counters and single-use values."""

from __future__ import annotations

from typing import Final

from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        1,
        "store",
        "counters and single-use values",
        (
            "CREATE TABLE counter (name {text} PRIMARY KEY, value {int} NOT NULL)",
            """
            CREATE TABLE single_use (
                namespace {text} NOT NULL,
                hash {blob} NOT NULL,
                body {text} NOT NULL,
                expires {int} NOT NULL,
                family {text},
                consumed {int},
                PRIMARY KEY (namespace, hash)
            )""",
            "CREATE INDEX single_use_expires ON single_use (expires)",
            "CREATE INDEX single_use_family ON single_use (family)",
        ),
    ),
)
