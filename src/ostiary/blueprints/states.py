"""The table of applied blueprints. It is runtime state, so that a discovery run makes no revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final, Literal, cast

from ostiary.record import dataclass
from ostiary.resource import Pk
from ostiary.resource.codec import decode, encode_canonical
from ostiary.store.database import Database, Statement
from ostiary.store.migrations import Migration

Status = Literal["successful", "warning", "error", "unknown"]

MIGRATIONS: Final = (
    Migration(
        8,
        "blueprints",
        "what was applied",
        (
            """
            CREATE TABLE blueprint_state (
                path {text} PRIMARY KEY,
                status {text} NOT NULL,
                last_applied {int} NOT NULL,
                last_applied_hash {text} NOT NULL,
                message {text} NOT NULL,
                made {text} NOT NULL
            )""",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class State:
    """The state of one blueprint. `last_applied_hash` is that of the last success, "" when there was none."""

    path: str
    status: Status
    last_applied: int  # microseconds UTC of the last try
    last_applied_hash: str = ""
    message: str = ""  # why it failed
    primary_keys: Mapping[str, Pk] = field(default_factory=dict)  # shipped blueprints: entry id -> primary key


async def read_states(database: Database) -> dict[str, State]:
    """Return all states by path. Raises Unavailable."""
    rows = await database.fetch(
        "SELECT path, status, last_applied, last_applied_hash, message, made FROM blueprint_state"
    )
    return {str(row["path"]): _state(row) for row in rows}


def save_state(state: State) -> Statement:
    """Return the statement that saves a state."""
    return Statement(
        "INSERT INTO blueprint_state (path, status, last_applied, last_applied_hash, message, made)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET status = excluded.status,"
        " last_applied = excluded.last_applied, last_applied_hash = excluded.last_applied_hash,"
        " message = excluded.message, made = excluded.made",
        (
            state.path,
            state.status,
            state.last_applied,
            state.last_applied_hash,
            state.message,
            encode_canonical(dict(state.primary_keys)),
        ),
    )


def forget_state(path: str) -> Statement:
    """Return the statement that deletes the state of a blueprint."""
    return Statement("DELETE FROM blueprint_state WHERE path = ?", (path,))


def _state(row: object) -> State:
    values = cast("Mapping[str, object]", row)
    return State(
        path=str(values["path"]),
        status=cast("Status", values["status"]),
        last_applied=int(cast("int", values["last_applied"])),
        last_applied_hash=str(values["last_applied_hash"]),
        message=str(values["message"]),
        primary_keys=cast("Mapping[str, Pk]", decode(str(values["made"]))),
    )
