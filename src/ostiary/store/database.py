"""The database interface, with two back ends: `sqlite` and `postgresql`.

A unit of work is a closed batch: a generator that yields `Statement`s and is sent their `Result`s. It runs in one
transaction, in the writer's own thread (SQLite) or connection (PostgreSQL), without an await and without other CPU
work. `write` takes a factory, not a generator, because a batch is replayed alone when another batch of its group commit
fails. A batch therefore has no effects besides its statements and its return value::

    def consume(hashed: bytes, now: int) -> Batch[Code]:
        sql = "DELETE FROM code WHERE hash = ? AND expires > ? RETURNING body"
        rows = yield Statement(sql, (hashed, now), guard=Guard(CodeSpent))
        return Code.load(rows[0]["body"])

    code = await database.write(lambda: consume(hashed, now))

Statements use the SQL that both back ends support, with "?" for parameters. Values are int, float, str, bytes or None:
times are integer microseconds UTC, booleans are 0 and 1, JSON is text. Nullable parameters that PostgreSQL cannot
type are written CAST(? AS BIGINT) or CAST(? AS TEXT).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar

from ostiary.record import dataclass

Value = int | float | str | bytes | None
Dialect = Literal["sqlite", "postgresql"]


class StoreError(Exception):
    """The root of this room's errors."""


class Reason(StrEnum):
    """Why the database is unavailable: codes for answers and metrics, without details."""

    UNREACHABLE = "database_unreachable"
    REFUSED = "database_refused"
    TIMEOUT = "database_timeout"
    LOCKED = "database_locked"
    FULL = "database_full"
    READ_ONLY = "database_read_only"
    DISK = "database_disk_error"
    CONNECTIONS = "database_connections"
    CONTENTION = "database_contention"


class Unavailable(StoreError):
    """The database cannot be reached or does not answer; nothing was written. It becomes status 503."""

    def __init__(self, message: str = "", reason: Reason = Reason.UNREACHABLE) -> None:
        """`message` is for the log, `reason` for the answer."""
        super().__init__(message)
        self.reason = reason


class Conflict(StoreError):
    """A guard failed, because of a concurrent change. The batch was rolled back."""


class Duplicate(Conflict):
    """A unique constraint was violated. The batch was rolled back."""


class Unstorable(StoreError, ValueError):
    """A parameter that one of the databases cannot store: NUL, a lone surrogate, more than 64 bits, another type."""


class WrongStatement(StoreError):
    """The statement is wrong: unknown table, NULL in a NOT NULL column. A defect of the program."""


class NewerSchema(StoreError):
    """The database was written by a newer version of the program."""


class Row(Protocol):
    """One row: values by column name or position."""

    def __getitem__(self, key: str | int, /) -> Any:  # pragma: no cover - a protocol
        """Return one value: a `Value`, of the type the column has."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """The statement must touch exactly `rows` rows, or the whole batch fails with `error()`."""

    error: Callable[[], Exception]
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL statement with its bound parameters."""

    sql: str
    parameters: Sequence[Value] = ()
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a statement: its rows (of SELECT and RETURNING) and the number of rows it touched."""

    rows: Sequence[Row]
    count: int

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, index: int) -> Row:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


T = TypeVar("T")
Batch = Generator[Statement, Result, T]


class Watch(Protocol):
    """Detection of changes in some tables."""

    def state(self) -> object | None:
        """Return a value that stays equal while the tables are unchanged; None if only reading them can tell.

        It is exact, also for commits of other processes, and costs no round trip.
        """
        ...


class Unwatched:
    """The watch of a database that cannot detect changes."""

    def state(self) -> None:
        """Return None."""


class Database(Protocol):
    """An open database."""

    dialect: Dialect
    schema: str
    """The schema of PostgreSQL that holds our tables; "" on SQLite."""

    async def fetch(self, sql: str, *parameters: Value) -> Sequence[Row]:
        """Run one reading statement. Raises Unavailable."""
        ...

    async def read(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of reads on one consistent state. Raises Unavailable."""
        ...

    async def write(self, batch: Callable[[], Batch[T]]) -> T:
        """Run a batch of guarded writes; returns after COMMIT. Raises Conflict, Duplicate, Unavailable."""
        ...

    def watch(self, tables: str) -> Watch:
        """Return a watch over the tables whose names begin with `tables`."""
        ...

    async def close(self) -> None:
        """Finish queued batches and close."""
        ...


async def fetch_one(database: Database, sql: str, *parameters: Value) -> Row | None:
    """Return the first row, or None."""
    rows = await database.fetch(sql, *parameters)
    return rows[0] if rows else None
