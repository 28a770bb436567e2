"""A process that writes batches and says each number once it was acknowledged: the test kills it."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path

from ostiary.store.database import Batch, Statement
from ostiary.store.sqlite.database import open_sqlite


def put(number: int) -> Batch[None]:
    insert = "INSERT INTO counter (name, value) VALUES (?, ?)"
    yield Statement(insert, (f"first {number}", number))
    yield Statement(insert, (f"second {number}", number))


async def main(path: str) -> None:
    database = await open_sqlite(Path(path))

    async def write(start: int) -> None:
        for number in range(start, 10**9, 8):
            await database.write(partial(put, number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(write(start) for start in range(8)))


asyncio.run(main(sys.argv[1]))
