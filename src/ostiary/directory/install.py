"""The id of the installation."""

from __future__ import annotations

import uuid
from typing import cast

from ostiary.record import dataclass
from ostiary.store.database import Batch, Database, Statement


@dataclass(frozen=True, slots=True)
class Installation:
    """The installation, by its id."""

    install_id: str


async def install_id(database: Database) -> str:
    """Return the id of this installation: a random UUID, generated on the first call."""
    fresh = str(uuid.uuid4())
    return await database.write(lambda: _ensure(fresh))


def _ensure(fresh: str) -> Batch[str]:
    yield Statement("UPDATE directory_install SET install_id = ? WHERE one = 1 AND install_id = ''", (fresh,))
    rows = yield Statement("SELECT install_id FROM directory_install WHERE one = 1")
    return cast("str", rows[0]["install_id"])
