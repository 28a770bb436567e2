"""Connections to an SQLite file: settings, running of batches, and translation of errors."""

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
    Reason,
    Result,
    Statement,
    StoreError,
    Unavailable,
    Unstorable,
    Value,
    WrongStatement,
)
from ostiary.store.parameters import require_storable

T = TypeVar("T")

STATEMENT_CACHE: Final = 512  # prepared statements kept by each connection
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
    "PRAGMA synchronous = FULL",  # what is answered survives a power failure
    "PRAGMA foreign_keys = ON",
    "PRAGMA case_sensitive_like = ON",  # as PostgreSQL
    "PRAGMA trusted_schema = OFF",
    "PRAGMA temp_store = MEMORY",
)


def connect(path: Path, *, lock_timeout: float, read_only: bool) -> sqlite3.Connection:
    """Open the file; a missing one is created with mode 0600. `lock_timeout` is the busy timeout in seconds.

    Raises Unavailable.
    """
    try:
        if not read_only:
            _create_file(path)
        connection = sqlite3.connect(
            path, timeout=lock_timeout, isolation_level=None, check_same_thread=False, cached_statements=STATEMENT_CACHE
        )
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, "opened", error) from error
    connection.row_factory = sqlite3.Row
    try:
        _enter_wal(connection, lock_timeout)
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        connection.close()
        raise _unusable(path, "used", error) from error
    return connection


def run_batch(
    connection: sqlite3.Connection,
    factory: Callable[[], Batch[T]],
    *,
    before: Callable[[str], None] | None = None,
) -> T:
    """Run one batch on a connection in a transaction. `before` gets the SQL of each statement first.

    Raises sqlite3.Error, and errors of guards and of `before`.
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


def single(sql: str, parameters: tuple[Value, ...]) -> Callable[[], Batch[Result]]:
    """Return the batch that runs a single statement."""

    def batch() -> Batch[Result]:
        return (yield Statement(sql, parameters))

    return batch


def translate_error(error: sqlite3.Error) -> StoreError:
    """Translate an error of the driver to one of this room."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _UNIQUE:
        return Duplicate(str(error))
    if code == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
        return Conflict(str(error))
    if isinstance(error, sqlite3.InterfaceError) or (code is None and "Error binding" in str(error)):
        return Unstorable(str(error))
    is_fault = isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.DataError)
    if is_fault or code == sqlite3.SQLITE_ERROR:
        return WrongStatement(" in: ".join((str(error), *getattr(error, "__notes__", ()))))
    return Unavailable(f"the database does not answer: {error}", reason(error))


def reason(error: Exception) -> Reason:
    """Return the reason for an error of SQLite or of the system."""
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0, Reason.DISK)
    code = getattr(error, "sqlite_errorcode", None)
    return _BY_CODE.get(code & 0xFF, Reason.UNREACHABLE) if code is not None else Reason.UNREACHABLE


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection holds a needed lock."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _BUSY


def _unusable(path: Path, what: str, error: Exception) -> Unavailable:
    """Return the error for a file. SQLite's own messages do not mention a full disk."""
    cause, message = reason(error), str(error)
    with contextlib.suppress(OSError):
        if cause in {Reason.DISK, Reason.UNREACHABLE} and os.statvfs(path.parent).f_bavail == 0:
            cause, message = Reason.FULL, f"the disk is full ({error})"
    return Unavailable(f"the database file {path} cannot be {what}: {message}", cause)


def _create_file(path: Path) -> None:
    # An existing file must not be opened: closing it would release all locks of the process on it (POSIX), and the
    # next process to close it would delete the log.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _enter_wal(connection: sqlite3.Connection, lock_timeout: float) -> None:
    # Changing the journal mode ignores the busy timeout: it answers BUSY at once when two processes create the file.
    deadline = time.monotonic() + lock_timeout
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


def rollback(connection: sqlite3.Connection) -> None:
    """Roll back an open transaction. Errors are ignored, because another error is being reported."""
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")
