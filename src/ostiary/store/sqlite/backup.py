"""Backups of an SQLite database: created while the server runs, restored while it is stopped.

A backup is one file with mode 0600, without a write-ahead log. It appears complete or not at all, and only after its
integrity check.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from ostiary.store.configuration.config_tables import HEAD
from ostiary.store.database import StoreError, Unavailable
from ostiary.store.migrations import STEPS, refuse_newer

LOCK_TIMEOUT: Final = 10.0  # seconds to wait for another process's lock
_COMPANIONS: Final = ("-wal", "-shm", "-journal")
_FAULT_LIMIT: Final = 3  # faults reported


class BadBackup(StoreError):
    """The file is damaged, or no database of Ostiary."""


def back_up_file(database: Path, copy: Path) -> int:
    """Copy a database to a new file and return the size of the copy in bytes. The database may be in use.

    Readers and writers are not blocked; the copy holds the commits before its start.

    Raises:
        FileExistsError: the file exists; it stays unchanged.
        Unavailable: the database is missing or unreadable.
        BadBackup: the copy is damaged; no file is left.
        OSError: the file cannot be written.
    """
    if os.path.lexists(copy):
        raise FileExistsError(errno.EEXIST, "it is there already, and a backup is never overwritten", str(copy))
    with _draft(copy) as draft:
        _copy(database, draft)
        verify_copy(draft)
        size = draft.stat().st_size
        os.link(draft, copy)  # unlike rename, a link never replaces a file
        _sync_folder(copy.parent)
    return size


def restore_file(
    copy: Path, database: Path, *, verify_key: Callable[[str], None], known_steps: Collection[int], aside: Path
) -> bool:
    """Replace the database by a copy; the old one moves to `aside`. Return whether there was one.

    `verify_key` gets the canary of the copy and raises when it belongs to another secret key. Nothing changes before
    the copy is verified. `known_steps` are the schema steps of this program.

    Raises:
        BadBackup: the copy is damaged, or no database of Ostiary.
        NewerSchema: a newer version of the program wrote the copy.
        Unavailable: the database is in use, or cannot be written.
        OSError: a file cannot be read or written.
    """
    with copy.open("rb"):
        pass  # a missing file raises FileNotFoundError
    with _draft(database) as draft:
        _copy(copy, draft)
        verify_key(verify_copy(draft, known_steps=known_steps))
        replaced = database.exists()
        _copy_owner(draft, like=database if replaced else database.parent)
        if replaced:
            _leave_wal(database)
            os.link(database, aside)
        draft.replace(database)
        _sync_folder(database.parent)
    return replaced


def verify_copy(file: Path, *, known_steps: Collection[int] | None = None) -> str:
    """Verify the integrity of a copy and return its canary. Raises BadBackup; with `known_steps` NewerSchema."""
    try:
        with closing(_open(file)) as connection:
            connection.row_factory = sqlite3.Row
            steps = connection.execute(STEPS).fetchall()
            faults = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_FAULT_LIMIT})")]
            dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
            head = connection.execute(HEAD).fetchone()
    except sqlite3.Error as error:
        raise BadBackup(f"this is no sound database of Ostiary: {error}") from error
    if faults != ["ok"]:
        raise BadBackup(f"the database is damaged: {'; '.join(faults)}")
    if dangling:
        raise BadBackup(f"the database is damaged: {len(dangling)} rows name others that are not there")
    if known_steps is not None:
        refuse_newer(steps, known_steps)
    if head is None:
        raise BadBackup("this is no sound database of Ostiary: it holds no configuration")
    return str(head[2])


def _copy(source: Path, draft: Path) -> None:
    try:
        with (
            closing(_open(source, "rw" if os.access(source, os.W_OK) else "ro")) as original,
            closing(sqlite3.connect(draft)) as copy,
        ):
            original.backup(copy)  # in one step, so that writers do not restart it
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
    except sqlite3.DatabaseError as error:
        failure = BadBackup if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB else Unavailable
        raise failure(f"{source} cannot be copied: {error}") from error
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _leave_wal(database: Path) -> None:
    """Checkpoint the log and leave write-ahead mode. SQLite allows it only to the sole user of the file."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.Error as error:
        raise Unavailable(f"{database} is in use: stop Ostiary first ({error})") from error
    if mode != "delete" or any(database.with_name(database.name + end).exists() for end in _COMPANIONS):
        raise Unavailable(f"{database} is in use: stop Ostiary first")


def _open(file: Path, mode: str = "ro") -> sqlite3.Connection:
    """Open an existing file for reading. In write-ahead mode only "rw" leaves no log behind."""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, timeout=LOCK_TIMEOUT)
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def _draft(beside: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the same folder; it is removed at the end."""
    draft = beside.with_name(f".{beside.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        for end in ("", *_COMPANIONS):
            draft.with_name(draft.name + end).unlink(missing_ok=True)


def _copy_owner(draft: Path, *, like: Path) -> None:
    """Copy the owner of another file: root may restore the database of a service with its own user."""
    owner = like.stat()
    with suppress(PermissionError):  # only root may
        os.chown(draft, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that its new entry survives a power failure."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
