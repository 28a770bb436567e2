"""The writer thread of SQLite.

Commits of the event loop are in the write-ahead log, but durable only after a sync: this thread syncs all of them at
once, and then answers the callers. It also writes batches that are too long for the loop or wait for another process,
and checkpoints the log.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ostiary.record import dataclass
from ostiary.store.database import Unavailable
from ostiary.store.sqlite.connection import reason, rollback
from ostiary.store.sqlite.group_commit import GROUP, QueuedBatch, commit, settle

CHECKPOINT_PAGES: Final = 1_000  # approximate pages of the log before a checkpoint; SQLite's default
CHECKPOINT_GROUPS: Final = 4_096  # groups between two checkpoints at most

_log: Final = logging.getLogger("ostiary.store")

Callback = Callable[[Sequence[QueuedBatch]], None]


@dataclass(frozen=True, slots=True)
class _Task:
    jobs: Sequence[QueuedBatch]
    callback: Callback | None = None  # of what the loop has committed itself


class Log:
    """The file of the write-ahead log. Its contents are durable after `sync`."""

    def __init__(self, path: Path) -> None:
        """Open the log of a database that a connection holds open. Raises OSError."""
        file = path.resolve()  # the log lies beside the file itself, not beside a link
        self._path = file.with_name(file.name + "-wal")
        self._file = self._open()
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the log may be new: its name must survive too
        finally:
            os.close(folder)

    def sync(self) -> None:
        """Sync everything written so far. Raises OSError."""
        self.require_present()
        os.fdatasync(self._file)

    def require_present(self) -> None:
        """Require that the log still exists. Raises FileNotFoundError."""
        if not os.fstat(self._file).st_nlink:  # our connections do not write to a new file
            raise FileNotFoundError(errno.ENOENT, "the log was removed; Ostiary has to be restarted", str(self._path))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)


class Writer:
    """The thread and its connection. Used from one event loop's thread."""

    def __init__(self, connection: sqlite3.Connection, log: Log) -> None:
        self._connection = connection
        self._log = log
        self._queue: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._busy = 0  # groups to write, and a running checkpoint
        self._since_checkpoint = 0  # groups of the loop since the last checkpoint
        self._checkpoint_at = 64
        self._thread = threading.Thread(target=self._run, name="ostiary-sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether the thread has nothing to write, so that the loop may write."""
        return not self._busy

    @property
    def is_waiting(self) -> bool:
        """Whether the thread waits for another process's lock."""
        return self._busy > 0 and not self._connection.in_transaction

    def submit(self, jobs: Sequence[QueuedBatch]) -> None:
        """Queue batches; the `future` of each is answered after the commit."""
        self._count(1)
        self._queue.put(_Task(jobs))

    def confirm(self, jobs: Sequence[QueuedBatch], callback: Callback) -> None:
        """Queue a sync of the loop's commits; `callback` is called in the jobs' loop afterwards."""
        self._queue.put(_Task(jobs, callback))

    def finish(self) -> None:
        """Write what is queued, and end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def close(self) -> None:
        """Close the connection and the log, after `finish`."""
        self._log.close()
        self._connection.close()

    def _run(self) -> None:
        going = True
        while going:
            committed, written, groups, going = self._dequeue()
            for jobs, callback in committed:
                self._confirm(jobs, callback)
            written = [job for job in written if not job.future.done()]  # the rest was cancelled
            for start in range(0, max(len(written), 1), GROUP):
                group = written[start : start + GROUP]
                if group:
                    self._commit(group)
                if start + GROUP >= len(written):
                    self._count(-groups)  # before the callers continue, so that the loop writes their next batches
                settle(group)
            if self._since_checkpoint >= self._checkpoint_at:
                self._checkpoint()

    def _commit(self, group: Sequence[QueuedBatch]) -> None:
        """Write a group. The thread survives every error, because all writes depend on it."""
        try:
            commit(self._connection, group)
            self._log.require_present()
        except FileNotFoundError as error:
            for job in group:
                job.error = job.error or Unavailable(
                    f"the disk does not confirm what was written: {error}", reason(error)
                )
        except Exception as error:  # noqa: BLE001 - as the docstring says
            _log.exception("a group of writes failed in an unexpected way")
            rollback(self._connection)
            for job in group:
                job.error = Unavailable(f"the writer failed: {type(error).__name__}")

    def _dequeue(self) -> tuple[list[tuple[Sequence[QueuedBatch], Callback]], list[QueuedBatch], int, bool]:
        """Return the queue: committed groups, batches to write, their number of groups, and whether to continue.

        The loop commits nothing while batches wait here, so committed groups always come first.
        """
        committed: list[tuple[Sequence[QueuedBatch], Callback]] = []
        written: list[QueuedBatch] = []
        groups = 0
        queued = self._queue.get()
        while queued is not None:
            if queued.callback is not None:
                committed.append((queued.jobs, queued.callback))
                self._since_checkpoint += 1
            else:
                written.extend(queued.jobs)
                groups += 1
            if len(written) >= GROUP:
                return committed, written, groups, True
            try:
                queued = self._queue.get_nowait()
            except queue.Empty:
                return committed, written, groups, True
        return committed, written, groups, False

    def _count(self, change: int) -> None:
        with self._lock:
            self._busy += change

    def _confirm(self, jobs: Sequence[QueuedBatch], callback: Callback) -> None:
        try:
            self._log.sync()
        except Exception as error:  # noqa: BLE001 - as above; most likely of the disk
            for job in jobs:
                job.error = Unavailable(f"the disk does not confirm what was written: {error}", reason(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            jobs[0].loop.call_soon_threadsafe(callback, jobs)

    def _checkpoint(self) -> None:
        """Checkpoint the log. The loop writes nothing meanwhile, because the log could not restart otherwise."""
        self._count(1)
        try:
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except Exception as error:  # noqa: BLE001 - as above
            _log.warning("the write-ahead log could not be written back to the database: %s", error)
            rollback(self._connection)  # the next write reports it too
            pages = CHECKPOINT_PAGES
        finally:
            self._count(-1)
        self._checkpoint_at = min(CHECKPOINT_GROUPS, max(1, self._since_checkpoint * CHECKPOINT_PAGES // max(pages, 1)))
        self._since_checkpoint = 0
