"""All migrations of all rooms, as the application collects them."""

from __future__ import annotations

from ostiary.store.migrations import Migration


def all_migrations() -> tuple[Migration, ...]:
    """Return the application's list. It is imported late: a room that is broken fails only tests with a database."""
    from ostiary.app.rooms import MIGRATIONS

    return tuple(MIGRATIONS)
