"""Numbered migrations, applied once, under a lock, in one transaction. A newer schema is refused.

Migrations use the SQL that both databases support, with four tokens for types:
`{int}`, `{blob}`, `{text}` (binary order) and `{identity}` (a primary key that the database assigns).
A migration that has been released is never changed; a new one is added.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.store.database import Batch, Database, Dialect, NewerSchema, Row, Statement, WrongStatement
from ostiary.store.timeouts import extended_timeout

TIMEOUT: Final = 600.0  # seconds for all steps, including the wait for another process
_LOCK: Final = 0x6F73_7469_6172_7901  # "ostiary" and 1: the advisory lock of migrations on PostgreSQL
STEPS: Final = "SELECT number, room, title FROM schema_step ORDER BY number"
_TYPES: Final[Mapping[Dialect, Mapping[str, str]]] = {
    "sqlite": {
        "int": "INTEGER",
        "blob": "BLOB",
        "text": "TEXT",
        "identity": "INTEGER PRIMARY KEY AUTOINCREMENT",
    },
    "postgresql": {
        "int": "BIGINT",
        "blob": "BYTEA",
        "text": 'TEXT COLLATE "C"',
        "identity": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    },
}
_STEPS: Final = """
CREATE TABLE IF NOT EXISTS schema_step (
    number {int} PRIMARY KEY,
    room {text} NOT NULL,
    title {text} NOT NULL,
    applied {int} NOT NULL
)"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema. `number` is unique in the program and defines the order."""

    number: int
    room: str
    title: str
    statements: tuple[str, ...]


async def migrate(database: Database, migrations: Sequence[Migration], *, now: int) -> int:
    """Apply missing migrations and return their number. Safe when several processes start at once.

    Raises NewerSchema when the database holds an unknown step, WrongStatement when a statement is wrong.
    """
    ordered = sorted(migrations, key=lambda step: step.number)
    if len({step.number for step in ordered}) != len(ordered):
        message = "two migrations share a number: " + ", ".join(f"{step.number} ({step.room})" for step in ordered)
        raise ValueError(message)
    with extended_timeout(TIMEOUT):
        return await database.write(lambda: _apply(database.dialect, ordered, now))


def refuse_newer(rows: Sequence[Row], known_steps: Collection[int]) -> None:
    """Require that all rows of `schema_step` (number, room, title) are known steps. Raises NewerSchema."""
    unknown = [row for row in rows if row["number"] not in known_steps]
    if unknown:
        last = unknown[-1]
        message = (
            f"the database was written by a newer version of Ostiary: it holds schema step {last['number']} "
            f"({last['room']}: {last['title']}). Start that version, or restore the backup made before the upgrade."
        )
        raise NewerSchema(message)


async def is_installed(database: Database) -> bool:
    """Return whether any migration was ever applied to the database. Raises Unavailable."""
    sql = "SELECT name FROM sqlite_master WHERE name = 'schema_step'"
    if database.dialect == "postgresql":
        sql = "SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ? AND tablename = 'schema_step'"
        return bool(await database.fetch(sql, database.schema))
    return bool(await database.fetch(sql))


async def is_sealed(database: Database) -> bool:
    """Return whether the database has been written under a secret key. Raises Unavailable."""
    if not await is_installed(database):
        return False
    try:
        rows = await database.fetch("SELECT canary FROM config_head")
    except WrongStatement:  # the first steps were applied, and no more
        return False
    return bool(rows and rows[0]["canary"])


def render_sql(text: str, dialect: Dialect) -> str:
    """Return the SQL with its type tokens replaced. SQLite's tables are STRICT, so that wrong types are refused too."""
    rendered = re.sub(r"\{(\w+)\}", lambda match: _TYPES[dialect][match[1]], text).strip()
    if dialect == "sqlite" and re.match(r"CREATE TABLE\b", rendered, re.IGNORECASE):
        return rendered + " STRICT"
    return rendered


def _apply(dialect: Dialect, ordered: Sequence[Migration], now: int) -> Batch[int]:
    if dialect == "postgresql":  # on SQLite the transaction itself is the lock
        yield Statement("SET LOCAL lock_timeout = 0")  # a migration may take longer, also that of another process
        yield Statement("SET LOCAL statement_timeout = 0")
        yield Statement("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
    yield Statement(render_sql(_STEPS, dialect))
    rows = yield Statement(STEPS)
    done = {row["number"] for row in rows}
    refuse_newer(list(rows), {step.number for step in ordered})
    missing = [step for step in ordered if step.number not in done]
    for step in missing:
        for text in step.statements:
            yield Statement(render_sql(text, dialect))
        yield Statement(
            "INSERT INTO schema_step (number, room, title, applied) VALUES (?, ?, ?, ?)",
            (step.number, step.room, step.title, now),
        )
    return len(missing)
