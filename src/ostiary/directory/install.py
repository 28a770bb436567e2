"""The one row that says which installation this is."""

from __future__ import annotations

import uuid
from typing import cast

from ostiary.store.database import Batch, Database, Statement


async def install_id(database: Database) -> str:
    """Return the id of this installation, made as a random UUID on the first call and never changed afterwards."""
    fresh = str(uuid.uuid4())
    return await database.write(lambda: _ensure(fresh))


def _ensure(fresh: str) -> Batch[str]:
    yield Statement("UPDATE directory_install SET install_id = ? WHERE one = 1 AND install_id = ''", (fresh,))
    rows = yield Statement("SELECT install_id FROM directory_install WHERE one = 1")
    return cast("str", rows[0]["install_id"])
