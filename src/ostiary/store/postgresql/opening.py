"""Opening of the PostgreSQL back end.

The driver is imported when a database is opened, so that installations on SQLite never load it.
"""

from __future__ import annotations

from ostiary.store.database import Database
from ostiary.store.postgresql.config import PostgresConfig

__all__ = ["PostgresConfig", "open_postgresql"]


async def open_postgresql(config: PostgresConfig, *, create: bool = True) -> Database:
    """Connect, and create a missing schema unless `create` is False.

    Raises Unavailable; after a failure of TLS it names the setting.
    """
    from ostiary.store.postgresql.database import open_database  # noqa: PLC0415 - the driver loads when it is used

    return await open_database(config, create=create)
