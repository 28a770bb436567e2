"""One connection to an SQLite file: its settings, how a batch runs on it, and what its errors mean."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

from ostiary.store.database import (
    Batch,
    Conflict,
    Duplicate,
    Fault,
    Reason,
    Result,
    Statement,
    StoreError,
    Unavailable,
    Unstorable,
    Value,
)
from ostiary.store.parameters import require_storable

T = TypeVar("T")

STATEMENTS_KEPT: Final = 512  # prepared statements kept by each connection
_UNIQUE: Final = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BY_CODE: Final = {
    sqlite3.SQLITE_BUSY: Reason.LOCKED,
    sqlite3.SQLITE_LOCKED: Reason.LOCKED,
    sqlite3.SQLITE_FULL: Reason.FULL,
    sqlite3.SQLITE_READONLY: Reason.READ_ONLY,
    sqlite3.SQLITE_IOERR: Reason.DISK,
    sqlite3.SQLITE_CORRUPT: Reason.DISK,
}
_BY_ERRNO: Final = {
    errno.ENOSPC: Reason.FULL,
    errno.EDQUOT: Reason.FULL,
    errno.EFBIG: Reason.FULL,
    errno.EROFS: Reason.READ_ONLY,
    errno.EACCES: Reason.READ_ONLY,
}
_WAL: Final = "PRAGMA journal_mode = WAL"
_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",  # an answer is a promise: it survives the power cut
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",  # as PostgreSQL
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


def connect(path: Path, *, patience: float, read_only: bool) -> sqlite3.Connection:
    """Open the file, made with mode 0600 when it is missing. `patience` is the busy timeout in seconds.

    Raises Unavailable.
    """
    try:
        if not read_only:
            _make(path)
        connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS_KEPT
        )
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, "opened", error) from error
    connection.row_factory = sqlite3.Row
    try:
        _enter_wal(connection, patience)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, "used", error) from error
    return connection


def drive(
    connection: sqlite3.Connection,
    factory: Callable[[], Batch[T]],
    *,
    before: Callable[[str], None] | None = None,
) -> T:
    """Run one batch to its end on a connection that is in a transaction. `before` sees the text of each statement.

    Raises sqlite3.Error, what guards raise and what `before` raises.
    """
    batch = factory()
    try:
        statement = next(batch)
        while True:
            if before is not None:
                before(statement.sql)
            statement = batch.send(execute(connection, statement))
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        batch.close()


def execute(connection: sqlite3.Connection, statement: Statement) -> Result:
    """Run one statement and check its guard. Raises sqlite3.Error, Unstorable and what the guard raises."""
    cursor = _run(connection, statement.sql, statement.parameters)
    if cursor.description is None:
        result = Result((), max(cursor.rowcount, 0))
    else:
        rows = cursor.fetchall()
        result = Result(rows, len(rows))
    guard = statement.guard
    if guard is not None and result.count != guard.rows:
        raise guard.error()
    return result


def fetch(connection: sqlite3.Connection, sql: str, parameters: Sequence[Value]) -> Sequence[sqlite3.Row]:
    """Run one reading statement and return its rows. Raises sqlite3.Error, Unstorable."""
    return _run(connection, sql, parameters).fetchall()


def _run(connection: sqlite3.Connection, sql: str, parameters: Sequence[Value]) -> sqlite3.Cursor:
    require_storable(parameters)
    try:
        return connection.execute(sql, parameters)
    except (UnicodeEncodeError, OverflowError) as error:
        raise Unstorable(str(error)) from error
    except sqlite3.Error as error:
        error.add_note(sql)  # the text only: parameters may be secret
        raise


def one(sql: str, parameters: tuple[Value, ...]) -> Callable[[], Batch[Result]]:
    """Return the batch that runs a single statement."""

    def batch() -> Batch[Result]:
        return (yield Statement(sql, parameters))

    return batch


def meaning(error: sqlite3.Error) -> StoreError:
    """Return this room's error for the driver's."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _UNIQUE:
        return Duplicate(str(error))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Conflict(str(error))
    if isinstance(error, sqlite3.InterfaceError) or (code is None and "Error binding" in str(error)):
        return Unstorable(str(error))
    wrong = isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError)
    if wrong or code == sqlite3.SQLITE_ERROR:
        return Fault(" in: ".join((str(error), *getattr(error, "__notes__", ()))))
    return Unavailable(f"the database does not answer: {error}", reason(error))


def reason(error: Exception) -> Reason:
    """Return why the file is of no use, of an error of SQLite's or of the system's."""
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, Reason.DISK)
    code = getattr(error, "sqlite_errorcode", None)
    return _BY_CODE.get(code & 0xFF, Reason.UNREACHABLE) if code is not None else Reason.UNREACHABLE


def is_busy(error: sqlite3.Error) -> bool:
    """Say whether another connection holds a lock this one needs."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BUSY


def _unusable(path: Path, what: str, error: Exception) -> Unavailable:
    """Return what is told of a file; a disk without room makes SQLite speak of anything but that."""
    why, told = reason(error), str(error)
    with contextlib.suppress(OSError):
        if why in {Reason.DISK, Reason.UNREACHABLE} and os.statvfs(path.parent).f_bavail == 0:
            why, told = Reason.FULL, f"the disk is full ({error})"
    return Unavailable(f"the database file {path} cannot be {what}: {told}", why)


def _make(path: Path) -> None:
    # A file that is there must not be opened: closing it again would let go all locks the process has on it (POSIX),
    # and the next process to leave would take the log away.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _enter_wal(connection: sqlite3.Connection, patience: float) -> None:
    # Changing the journal mode answers BUSY at once, whatever the busy timeout says, when two processes make the file.
    deadline = time.monotonic() + patience
    while True:
        try:
            mode = connection.execute(_WAL).fetchone()[0]
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            if mode != "wal":
                message = f"write-ahead logging is refused (journal mode {mode}); is it on a network file system?"
                raise sqlite3.OperationalError(message)
            return


def leave(connection: sqlite3.Connection) -> None:
    """Roll back whatever is open, and never complain: the reason is already being told."""
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
