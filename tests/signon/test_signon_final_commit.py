"""The end of a sign-on: stored with the policies' yes alone, and for a session that is still there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ostiary.sessions import repository
from ostiary.sessions.session import Session
from ostiary.signon.final_commit import SessionEnded, finish
from ostiary.store.database import Database, Statement
from ostiary.store.workspace.commit import run

NOW = 1_700_000_000_000_000
SESSION = Session(
    key=b"k" * 32, pk="a", created=NOW, last_seen=NOW, expires=NOW + 1, idle_expires=NOW + 1, idle=1, persistent=False
)
ANSWER = Statement("INSERT INTO counter (name, value) VALUES ('answered', 1)")


def context(database: Database, *, allowed: bool = True) -> Any:
    services = SimpleNamespace(database=database)
    return SimpleNamespace(services=services, allowed=allowed, pending=None, signed_in=(SESSION, None))


async def stored(database: Database) -> int:
    return len(await database.fetch("SELECT 1 FROM counter WHERE name = 'answered'"))


async def test_what_the_protocol_stores_is_stored(database: Database) -> None:
    await database.write(lambda: run([repository.insert(SESSION)]))
    await finish(context(database), lambda: run([ANSWER]))
    assert await stored(database) == 1


async def test_a58_without_the_policies_nothing_is_stored_and_nobody_answered(database: Database) -> None:
    await database.write(lambda: run([repository.insert(SESSION)]))
    with pytest.raises(RuntimeError, match="without asking the policies"):
        await finish(context(database, allowed=False), lambda: run([ANSWER]))
    assert await stored(database) == 0


async def test_a41_nothing_is_stored_for_a_session_that_has_ended(database: Database) -> None:
    with pytest.raises(SessionEnded):
        await finish(context(database), lambda: run([ANSWER]))
    assert await stored(database) == 0
