"""The timeouts of the database.

A request is answered within five seconds, whatever the database does: that is the limit for all its database calls
together, after which it gets 503. It is also the limit of a single batch, even without a request, because other writers
wait behind it. Longer work (a migration, the commit of a large blueprint) sets its own limit with `patient`.
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

WITHIN: Final = 5.0  # seconds, of a request and of a batch
UNHURRIED: Final = 60.0  # seconds that work behind which no request stands may wait for its turn
LOCK_WITHIN: Final = 2.0  # seconds to wait for the lock of a row or table: others may wait behind us


class _Allowance:
    """The remaining database time of a request, in seconds."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WITHIN


_allowance: Final[ContextVar[_Allowance | None]] = ContextVar("ostiary.store.allowance", default=None)
_batch: Final[ContextVar[float]] = ContextVar("ostiary.store.batch", default=WITHIN)


def begin_request() -> None:
    """Set the database time of the current request."""
    _allowance.set(_Allowance())


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Set the limit of each batch inside. The limit of a request is not extended."""
    token = _batch.set(max(seconds, _batch.get()))
    try:
        yield
    finally:
        _batch.reset(token)


def batch_seconds() -> float:
    """Return the limit of a batch at this point, in seconds."""
    return _batch.get()


async def within(work: Awaitable[T]) -> T:
    """Await the work within the limit at this point. Raises Unavailable after it."""
    allowance = _allowance.get()
    seconds = max(UNHURRIED, _batch.get()) if allowance is None else allowance.left
    started = time.monotonic()
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError as error:
        if not limit.expired():
            raise
        waited = f"the database did not answer within {WITHIN if allowance else seconds:.0f} s"
        raise Unavailable(waited, Reason.TIMEOUT) from error
    finally:
        if allowance is not None:
            allowance.left = max(0.0, allowance.left - (time.monotonic() - started))
