"""A process that opens a database and migrates it at a given moment; it prints how many steps it applied."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from support.schema import all_migrations

from ostiary.seal import Secret
from ostiary.store.migrations import migrate
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.sqlite.database import open_sqlite


async def main(moment: str, where: str, *rest: str) -> None:
    time.sleep(max(0.0, float(moment) - time.time()))
    if rest:
        port, name, user = rest
        database = await open_postgresql(PostgresConfig(where, int(port), name, user, Secret("unused")))
    else:
        database = await open_sqlite(Path(where))
    sys.stdout.write(str(await migrate(database, all_migrations(), now=1)))
    await database.close()


asyncio.run(main(*sys.argv[1:]))
