"""The location of an installation in words, for commands that run in the wrong folder."""

from __future__ import annotations

from ostiary.settings import Settings


def location(settings: Settings) -> str:
    """Return the location of the database of these settings, as text."""
    at = settings.postgresql
    return str(settings.database_file) if at is None else f"the PostgreSQL database {at.name} at {at.host}:{at.port}"


def missing_installation(settings: Settings) -> str:
    """Return the message for a missing installation: the setting, the location, and how to create one."""
    setting = "OSTIARY_DATA_DIR" if settings.postgresql is None else "OSTIARY_POSTGRESQL__HOST and __NAME"
    return (
        f"{setting}: there is no installation in {location(settings)}. Is it the right one? "
        "A new one is made by: ostiary serve, or ostiary migrate"
    )
