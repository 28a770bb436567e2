"""How long a database may keep somebody waiting.

A request is answered within five seconds, whatever the database does: all that it asks of the database together may
take so long, then it is answered 503. A batch of statements may take as long by itself, also where nobody waits for it:
behind it everybody else waits to write. What is known to take longer (a migration, the commit of a large blueprint)
says so with `patient`.
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
    """What is left of a request's time, in seconds."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = WITHIN


_allowance: Final[ContextVar[_Allowance | None]] = ContextVar("ostiary.store.allowance", default=None)
_batch: Final[ContextVar[float]] = ContextVar("ostiary.store.batch", default=WITHIN)


def begin_request() -> None:
    """Let the request that begins here wait for the database so long, and no longer."""
    _allowance.set(_Allowance())


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """Let each batch inside take so long. A request's own time is not prolonged."""
    token = _batch.set(max(seconds, _batch.get()))
    try:
        yield
    finally:
        _batch.reset(token)


def batch_seconds() -> float:
    """Return how long a batch that is asked for here may take."""
    return _batch.get()


async def within(work: Awaitable[T]) -> T:
    """Return what the work gives. Raises Unavailable when it takes longer than there is time here."""
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
