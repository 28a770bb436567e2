"""The PostgreSQL back end as the application sees it: its configuration and how it is opened.

The driver is imported when a database is opened, so that an installation on SQLite never loads it.
"""

from __future__ import annotations

from ostiary.store.database import Database
from ostiary.store.postgresql.config import PostgresConfig

__all__ = ["PostgresConfig", "open_postgresql"]


async def open_postgresql(config: PostgresConfig, *, create: bool = True) -> Database:
    """Connect, and make the schema when it is missing, unless `create` is False.

    Raises Unavailable, saying what to set when TLS failed.
    """
    from ostiary.store.postgresql.database import open_database  # noqa: PLC0415 - the driver loads when it is used

    return await open_database(config, create=create)
