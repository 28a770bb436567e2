"""The table of messages that wait to be sent."""

from __future__ import annotations

from typing import Final

from ostiary.store.database import Statement
from ostiary.store.migrations import Migration
from ostiary.store.sweeping import expired

MIGRATIONS: Final = (
    Migration(
        95,
        "mail",
        "messages that wait to be sent, sealed",
        (
            """CREATE TABLE mail (
                id {text} PRIMARY KEY,
                created {int} NOT NULL,
                expires {int} NOT NULL,
                sealed {text} NOT NULL
            )""",
            "CREATE INDEX mail_expires ON mail (expires)",
        ),
    ),
)


def sweep(now: int) -> Statement:
    """Return the statement that deletes messages nobody sent in time."""
    return expired("mail", "id", now)
