"""Waiting for what comes later: one clock for all tests, long enough for a loaded machine.

A program that starts, restarts or reloads closes connections, refuses them, or answers half: while we wait that is
"not yet", and never a failure.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPException
from typing import Protocol, TypeVar
from urllib.error import HTTPError

import httpx2 as httpx

NOT_YET = (OSError, HTTPException, httpx.TransportError)
"""What a connection may end with while the other side starts, stops or reloads."""

PATIENCE = 90.0
"""Seconds after which what we wait for will not come. No test is slower for it: waiting ends when the thing is there."""

T = TypeVar("T")


class Process(Protocol):
    """A process that must not end while we wait for it."""

    def poll(self) -> int | None: ...


def wait_until(
    check: Callable[[], T],
    *,
    what: Callable[[], str] | str = "what we wait for did not come",
    process: Process | None = None,
    seconds: float = PATIENCE,
    pause: float = 0.05,
) -> T:
    """Ask until the answer is true and return it; a closed or refused connection is no answer yet.

    `what` is said when it does not come (a callable may read a log). Raises AssertionError when the time is over, or
    at once when `process` has ended.
    """
    deadline = time.monotonic() + seconds
    last: Exception | None = None
    while True:
        try:
            if answer := check():
                return answer
        except NOT_YET as error:
            last = error
            if isinstance(error, HTTPError):
                error.close()  # it is the response as well: its socket would be found open at any later moment
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            told = what() if callable(what) else what
            raise AssertionError(f"{told}{' (the process has ended)' if ended else ''}; last error: {last!r}")
        time.sleep(pause)


async def until(check: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE, pause: float = 0.02) -> None:
    """Ask, in the loop of the test, until the answer is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not await check():
            await asyncio.sleep(pause)


def ask_again(ask: Callable[[], T], *, times: int = 5) -> T:
    """Ask, and once more where the connection was closed without an answer, as browsers do. For requests that may be
    sent twice only."""
    for _ in range(times - 1):
        try:
            return ask()
        except NOT_YET:
            time.sleep(0.1)
    return ask()
