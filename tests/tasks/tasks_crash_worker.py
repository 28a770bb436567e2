"""A process with one worker whose job never ends. The test kills it while the job runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from ostiary.room import Job
from ostiary.seal import Secret
from ostiary.store.postgresql.opening import PostgresConfig, open_postgresql
from ostiary.store.sqlite.database import open_sqlite
from ostiary.tasks.worker import Worker


async def main(lease: str, where: str, *rest: str) -> None:
    if rest:
        port, name, user = rest
        database = await open_postgresql(PostgresConfig(where, int(port), name, user, Secret("unused")))
    else:
        database = await open_sqlite(Path(where))

    async def handler(args: Mapping[str, object], *, now: int) -> None:
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        await asyncio.sleep(600)

    await Worker(database, [Job("work", handler)], lease=int(lease), poll=0.05).run()


asyncio.run(main(*sys.argv[1:]))
