"""The one thread that waits for the disk.

What the event loop has committed is in the file's log, but only the disk's word makes it durable: this thread asks for
that word, once for all that is there, and only then answers the callers. It also writes itself what is too long for
the loop or has to wait for another process, and folds the log into the file.
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
from ostiary.store.sqlite.connection import leave, reason
from ostiary.store.sqlite.group_commit import GROUP, Job, commit, settle

FOLDED: Final = 1_000  # pages of the log after which it is folded into the file, about; as SQLite itself does
FOLDED_AT_MOST: Final = 4_096  # groups between two foldings

_log: Final = logging.getLogger("ostiary.store")

Answer = Callable[[Sequence[Job]], None]


@dataclass(frozen=True, slots=True)
class _Task:
    jobs: Sequence[Job]
    answer: Answer | None = None  # of what the loop has committed itself


class Log:
    """The write-ahead log as a file: what is written to it is on the disk after `sync`."""

    def __init__(self, path: Path) -> None:
        """Open the log of a database that a connection holds open. Raises OSError."""
        file = path.resolve()  # SQLite puts the log beside the file itself, not beside a link to it
        self._path = file.with_name(file.name + "-wal")
        self._file = self._open()
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # the log may be new: its name must survive too
        finally:
            os.close(folder)

    def sync(self) -> None:
        """Return when all that was written is on the disk. Raises OSError."""
        self.require_present()
        os.fdatasync(self._file)

    def require_present(self) -> None:
        """Require that the log still exists. Raises FileNotFoundError."""
        if not os.fstat(self._file).st_nlink:  # one that came in its place is not what our connections write to
            raise FileNotFoundError(errno.ENOENT, "the log was removed; Ostiary has to be restarted", str(self._path))

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)


class Writer:
    """The thread, which owns a connection from its start to its end. To be used from one event loop's thread."""

    def __init__(self, connection: sqlite3.Connection, log: Log) -> None:
        self._connection = connection
        self._log = log
        self._queue: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._busy = 0  # what the thread has to write, or is folding
        self._unfolded = 0  # groups of the loop since the log was folded
        self._fold_at = 64
        self._thread = threading.Thread(target=self._run, name="ostiary-sqlite-writer", daemon=True)
        self._thread.start()

    @property
    def idle(self) -> bool:
        """Whether the thread writes nothing itself, so that the loop may."""
        return not self._busy

    @property
    def waits(self) -> bool:
        """Whether the thread has something to write and waits for another process's lock."""
        return self._busy > 0 and not self._connection.in_transaction

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue batches to be written; the `future` of each is answered after the commit."""
        self._count(1)
        self._queue.put(_Task(jobs))

    def confirm(self, jobs: Sequence[Job], answer: Answer) -> None:
        """Have `answer` called in the jobs' loop as soon as the disk has what the loop has committed."""
        self._queue.put(_Task(jobs, answer))

    def stop(self) -> None:
        """Finish what is queued, close the connection and end the thread. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            committed, written, groups, going = self._take()
            for jobs, answer in committed:
                self._confirm(jobs, answer)
            written = [job for job in written if not job.future.done()]  # others have given up
            for start in range(0, max(len(written), 1), GROUP):
                group = written[start : start + GROUP]
                if group:
                    self._commit(group)
                if start + GROUP >= len(written):
                    self._count(-groups)  # before the callers go on: what they write next is for the loop again
                settle(group)
            if self._unfolded >= self._fold_at:
                self._fold()
        self._log.close()
        self._connection.close()

    def _commit(self, group: Sequence[Job]) -> None:
        """Write a group; the thread goes on whatever happens, else nobody could write any more."""
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
            leave(self._connection)
            for job in group:
                job.error = Unavailable(f"the writer failed: {type(error).__name__}")

    def _take(self) -> tuple[list[tuple[Sequence[Job], Answer]], list[Job], int, bool]:
        """Return what is queued: what is committed, what is to be written and in how many groups, and whether to go on.

        The loop commits nothing while groups are queued to be written, so what is committed came first.
        """
        committed: list[tuple[Sequence[Job], Answer]] = []
        written: list[Job] = []
        groups = 0
        queued = self._queue.get()
        while queued is not None:
            if queued.answer is not None:
                committed.append((queued.jobs, queued.answer))
                self._unfolded += 1
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

    def _confirm(self, jobs: Sequence[Job], answer: Answer) -> None:
        try:
            self._log.sync()
        except Exception as error:  # noqa: BLE001 - as above; it is the disk's, as far as anybody knows
            for job in jobs:
                job.error = Unavailable(f"the disk does not confirm what was written: {error}", reason(error))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            jobs[0].loop.call_soon_threadsafe(answer, jobs)

    def _fold(self) -> None:
        """Fold the log into the file. The loop writes nothing meanwhile, else the log would never start anew."""
        self._count(1)
        try:
            _, pages, _ = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except Exception:  # noqa: BLE001 - as above
            leave(self._connection)  # the disk will say so at the next write, too
            pages = FOLDED
        finally:
            self._count(-1)
        self._fold_at = min(FOLDED_AT_MOST, max(1, self._unfolded * FOLDED // max(pages, 1)))
        self._unfolded = 0
