"""Copies of an SQLite database: made while the server runs, and put back while it does not.

A copy is one file without a write-ahead log beside it, 0600 from its first byte. It appears whole or not at all, and
only after SQLite has found it sound.
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

PATIENCE: Final = 10.0  # seconds to wait for another process's lock
_BESIDE: Final = ("-wal", "-shm", "-journal")
_FAULTS: Final = 3  # so many are told


class BadBackup(StoreError):
    """A file that is no sound copy of a database of ours."""


def back_up(database: Path, copy: Path) -> int:
    """Copy a database, in use or not, to a file that must not exist yet; return the copy's size in bytes.

    Readers and writers go on meanwhile; the copy holds what was committed when it began.

    Raises:
        FileExistsError: the file is there already, and is left alone.
        Unavailable: the database is not there or cannot be read.
        BadBackup: what was copied is damaged; no file is left.
        OSError: the file cannot be written.
    """
    if os.path.lexists(copy):
        raise FileExistsError(errno.EEXIST, "it is there already, and a backup is never overwritten", str(copy))
    with _draft(copy) as draft:
        _copy(database, draft)
        verify_copy(draft)
        size = draft.stat().st_size
        os.link(draft, copy)  # unlike rename, a link never replaces what another process made meanwhile
        _keep(copy.parent)
    return size


def put_back(copy: Path, database: Path, *, opens: Callable[[str], None], known: Collection[int], aside: Path) -> bool:
    """Put a copy in the place of the database, which moves to `aside`; return whether there was one.

    `opens` is given the canary of the copy and raises when the secret key at hand is not the copy's. Nothing is changed
    before the copy was found sound. `known` are the numbers of the steps of the schema this program knows.

    Raises:
        BadBackup: the copy is damaged, or no database of ours.
        NewerSchema: a newer version of the program wrote the copy.
        Unavailable: a process uses the database, or it cannot be written.
        OSError: a file cannot be read or written.
    """
    with copy.open("rb"):
        pass  # a missing file is told as what it is
    with _draft(database) as draft:
        _copy(copy, draft)
        opens(verify_copy(draft, known=known))
        there = database.exists()
        _give(draft, like=database if there else database.parent)
        if there:
            _close(database)
            os.link(database, aside)
        draft.replace(database)
        _keep(database.parent)
    return there


def verify_copy(file: Path, *, known: Collection[int] | None = None) -> str:
    """Look through a copy and return the canary of its secret key. Raises BadBackup; with `known` NewerSchema."""
    try:
        with closing(_open(file)) as connection:
            connection.row_factory = sqlite3.Row
            steps = connection.execute(STEPS).fetchall()
            found = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_FAULTS})")]
            loose = connection.execute("PRAGMA foreign_key_check").fetchall()
            head = connection.execute(HEAD).fetchone()
    except sqlite3.Error as error:
        raise BadBackup(f"this is no sound database of Ostiary: {error}") from error
    if found != ["ok"]:
        raise BadBackup(f"the database is damaged: {'; '.join(found)}")
    if loose:
        raise BadBackup(f"the database is damaged: {len(loose)} rows name others that are not there")
    if known is not None:
        refuse_newer(steps, known)
    if head is None:
        raise BadBackup("this is no sound database of Ostiary: it holds no configuration")
    return str(head[2])


def _copy(source: Path, draft: Path) -> None:
    try:
        with (
            closing(_open(source, "rw" if os.access(source, os.W_OK) else "ro")) as have,
            closing(sqlite3.connect(draft)) as made,
        ):
            have.backup(made)  # in one step: writers do not make it begin again
            made.execute("PRAGMA journal_mode = DELETE")  # one file, with no log beside it
    except sqlite3.DatabaseError as error:
        wrong = BadBackup if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB else Unavailable
        raise wrong(f"{source} cannot be copied: {error}") from error
    with draft.open("rb") as file:
        os.fsync(file.fileno())


def _close(database: Path) -> None:
    """Fold the log into the file and leave the write-ahead mode, which SQLite lets only the single user of it do."""
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            mode = connection.execute("PRAGMA journal_mode = DELETE").fetchone()[0]
    except sqlite3.Error as error:
        raise Unavailable(f"{database} is in use: stop Ostiary first ({error})") from error
    if mode != "delete" or any(database.with_name(database.name + end).exists() for end in _BESIDE):
        raise Unavailable(f"{database} is in use: stop Ostiary first")


def _open(file: Path, mode: str = "ro") -> sqlite3.Connection:
    """Open an existing file to read it. Of a database in write-ahead mode only "rw" leaves no log behind."""
    connection = sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, timeout=PATIENCE)
    connection.execute("PRAGMA query_only = ON")
    return connection


@contextmanager
def _draft(beside: Path) -> Iterator[Path]:
    """Yield an empty file of mode 0600 in the same folder; whatever is left of it goes at the end."""
    draft = beside.with_name(f".{beside.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        for end in ("", *_BESIDE):
            draft.with_name(draft.name + end).unlink(missing_ok=True)


def _give(draft: Path, *, like: Path) -> None:
    """Give a file to the owner of another: an administrator may put back what a service of its own user opens."""
    owner = like.stat()
    with suppress(PermissionError):  # only root gives away
        os.chown(draft, owner.st_uid, owner.st_gid)


def _keep(folder: Path) -> None:
    """See that the folder's new entry survives a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
