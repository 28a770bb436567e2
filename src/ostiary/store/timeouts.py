"""The timeouts of the database.

All database calls of a request together may take five seconds; afterwards it gets 503. The same limit holds for each
batch outside of requests, because other writers wait behind it. Longer work (a migration, the commit of a large
blueprint) sets its own limit with `extended_timeout`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from ostiary.store.database import Reason, Unavailable

T = TypeVar("T")

TIMEOUT: Final = 5.0  # seconds, of a request and of a batch
BACKGROUND_TIMEOUT: Final = 60.0  # seconds that work outside of requests may wait
LOCK_TIMEOUT: Final = 2.0  # seconds to wait for the lock of a row or table: others wait behind us


class _Allowance:
    """The database time of a request, and what remains of it, in seconds."""

    __slots__ = ("left", "whole")

    def __init__(self, seconds: float) -> None:
        self.left = self.whole = seconds


_allowance: Final[ContextVar[_Allowance | None]] = ContextVar("ostiary.store.allowance", default=None)
_batch: Final[ContextVar[float]] = ContextVar("ostiary.store.batch", default=TIMEOUT)


def begin_request(seconds: float | None = None) -> None:
    """Set the database time of the current request, or of another task; in seconds, `TIMEOUT` by default."""
    _allowance.set(_Allowance(TIMEOUT if seconds is None else seconds))


@contextmanager
def extended_timeout(seconds: float) -> Iterator[None]:
    """Set the limit of each batch inside. The limit of a request is not extended."""
    token = _batch.set(max(seconds, _batch.get()))
    try:
        yield
    finally:
        _batch.reset(token)


def batch_seconds() -> float:
    """Return the limit of a batch at this point, in seconds."""
    return _batch.get()


async def with_timeout(work: Awaitable[T]) -> T:
    """Await the work within the limit at this point. Raises Unavailable after it."""
    allowance = _allowance.get()
    seconds = max(BACKGROUND_TIMEOUT, _batch.get()) if allowance is None else allowance.left
    started = time.monotonic()
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        message = f"the database did not answer within {seconds if allowance is None else allowance.whole:.0f} s"
        raise Unavailable(message, Reason.TIMEOUT) from error
    finally:
        if allowance is not None:
            allowance.left = max(0.0, allowance.left - (time.monotonic() - started))
