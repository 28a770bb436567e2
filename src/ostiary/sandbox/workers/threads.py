"""Threads that wait for workers, and what they wait for on the event loop.

The standard library's `ThreadPoolExecutor` and `run_coroutine_threadsafe` do the same at twice the cost, and the first
delays the exit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

_Job = tuple[Callable[[], T], Callable[[T], None], asyncio.AbstractEventLoop]


class Threads(Generic[T]):
    """Threads that are started when there is work for them. Its methods are called on one event loop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[_Job[T] | None] = SimpleQueue()
        self._started = 0
        self._busy = 0

    def do(self, work: Callable[[], T], ended: Callable[[T], None]) -> None:
        """Call `work`, which must not raise, in a thread, and `ended` with its result on the event loop."""
        self._busy += 1
        if self._busy > self._started:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._jobs.put((work, ended, asyncio.get_running_loop()))

    def end(self) -> None:
        """End the threads when they have done their work."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, ended, loop = job
            result = work()
            with suppress(RuntimeError):  # the event loop may be closed
                loop.call_soon_threadsafe(self._ended, ended, result)

    def _ended(self, ended: Callable[[T], None], result: T) -> None:
        self._busy -= 1
        ended(result)


class Awaited:
    """A coroutine that runs on an event loop from now on, with the context variables of the thread that waits."""

    def __init__(self, coroutine: Coroutine[object, object, object], loop: asyncio.AbstractEventLoop) -> None:
        """Raises CancelledError when the loop is closed."""
        self._coroutine = coroutine
        self._loop = loop
        self._task: asyncio.Task[object] | None = None
        self._cancelled = False
        self._ended = threading.Lock()
        self._ended.acquire()
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError:
            coroutine.close()
            raise CancelledError from None

    def result(self, seconds: float) -> object:
        """Wait for the result. Raises what the coroutine raised, TimeoutError, CancelledError. Called once."""
        if not self._ended.acquire(timeout=seconds):
            self.cancel()
            raise TimeoutError
        if self._task is None or self._task.cancelled():
            raise CancelledError
        return self._task.result()

    def cancel(self) -> None:
        """Cancel the coroutine. Called in any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._cancel)

    def _begin(self) -> None:
        if self._cancelled:
            self._coroutine.close()
            return
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(lambda _: self._ended.release())

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        elif not self._cancelled:
            self._ended.release()
        self._cancelled = True
