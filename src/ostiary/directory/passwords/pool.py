"""The thread pool for password hashes: one thread per core, and a bounded queue. Raises Busy if the queue is full."""

from __future__ import annotations

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from ostiary.directory.errors import NoMemory, PasswordTooLong
from ostiary.directory.passwords import formats
from ostiary.directory.passwords.hash_queue import INTERNAL, HashQueue, Requester
from ostiary.record import dataclass
from ostiary.seal import Secret

MAX_BYTES: Final = 1024
QUEUE: Final = 64  # queued hashes: about a second on two cores
UNUSABLE: Final = "!"
_SALT_BYTES: Final = 16

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of a verification. `upgrade` is a new hash to store, if the stored one is outdated."""

    ok: bool
    upgrade: str | None = None


class Passwords:
    """Hashes and verifies passwords. Every call costs one hash, even for an unknown account."""

    def __init__(self, workers: int | None = None, queue: int = QUEUE) -> None:
        number = workers or os.cpu_count() or 1
        self._queue = HashQueue(number, queue)
        self._pool = ThreadPoolExecutor(number, thread_name_prefix="password")

    async def hash(self, text: Secret) -> str:
        """Return the hash of a password. Raises PasswordTooLong (above 1,024 bytes), Busy (a full queue), NoMemory."""
        _require_length(text)
        normal = spellings(text.reveal())[0]
        return await self._run(lambda: formats.make(normal, os.urandom(_SALT_BYTES)))

    async def verify(self, text: Secret, stored: str, requester: Requester = INTERNAL) -> Verified:
        """Verify a password against a stored hash of any supported format. Raises PasswordTooLong, Busy, NoMemory."""
        # guard: A69 an oversized password is not hashed
        _require_length(text)
        if not stored or stored.startswith(UNUSABLE):
            await self.dummy(requester, hashes=len(spellings(text.reveal())))
            return Verified(ok=False)
        return await self._run(lambda: _verify(text.reveal(), stored), requester)

    async def dummy(self, requester: Requester = INTERNAL, *, hashes: int = 1) -> None:
        """Take the time of a verification, for an unknown account. Raises Busy."""
        await self._run(lambda: [formats.make("", bytes(_SALT_BYTES)) for _ in range(hashes)], requester)

    @property
    def running(self) -> int:
        """The number of running hashes."""
        return self._queue.running

    @property
    def waiting(self) -> int:
        """The number of queued hashes."""
        return self._queue.waiting

    def close(self) -> None:
        """Shut the threads down."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], _T], requester: Requester = INTERNAL) -> _T:
        await self._queue.enter(requester)
        try:
            task = asyncio.get_running_loop().run_in_executor(self._pool, work)
        except RuntimeError as error:  # no thread can be started
            self._queue.leave(requester)
            raise NoMemory from error
        task.add_done_callback(lambda _: self._queue.leave(requester))
        try:
            return await asyncio.shield(task)
        except MemoryError as error:
            raise NoMemory from error


def spellings(text: str) -> tuple[str, ...]:
    """Return the Unicode forms of a password: NFC, which is hashed (RFC 8265 4.2.2), the typed form, and NFD.

    Keyboards and systems differ in the form they send. Imported and old hashes are those of the typed form.
    """
    if text.isascii():
        return (text,)
    return tuple(dict.fromkeys((unicodedata.normalize("NFC", text), text, unicodedata.normalize("NFD", text))))


def _verify(text: str, stored: str) -> Verified:
    matching = [one for one in spellings(text) if formats.is_match(one, stored)]  # no early exit: constant time
    if not matching:
        return Verified(ok=False)
    normal = spellings(text)[0]
    if matching[0] == normal and formats.is_current(stored):
        return Verified(ok=True)
    return Verified(ok=True, upgrade=formats.make(normal, os.urandom(_SALT_BYTES)))


def _require_length(text: Secret) -> None:
    if len(text.reveal().encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise PasswordTooLong
