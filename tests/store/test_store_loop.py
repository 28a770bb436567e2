"""Work done again and again: it goes on after every error, waits longer each time, and tells health."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from ostiary.store.loop import LOG_INTERVAL, STUCK, Loop


class Work:
    """A turn that fails as it was told to, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.error: BaseException | None = None
        self.turns = 0

    async def __call__(self) -> None:
        self.turns += 1
        if self.error is not None:
            raise self.error

    def clock(self) -> float:
        return self.now


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def loop(work: Work) -> Loop:
    return Loop("work", work, every=0.5, bound=10.0, clock=work.clock)


async def test_the_wait_doubles_up_to_half_the_bound_and_is_short_again_after_a_success(loop: Loop, work: Work) -> None:
    assert await loop.attempt() == 0.5
    work.error = RuntimeError("no")
    assert [await loop.attempt() for _ in range(6)] == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    work.error = None
    assert await loop.attempt() == 0.5


async def test_trouble_is_told_when_the_last_success_is_older_than_the_bound(loop: Loop, work: Work) -> None:
    await loop.attempt()
    work.error = RuntimeError("a right was revoked")
    work.now += 9
    await loop.attempt()
    assert loop.trouble() is None
    work.now += 2
    assert loop.trouble() == "work: nothing succeeded for 11 s (RuntimeError: a right was revoked)"
    assert not loop.is_dead(), "it tries"
    work.error = None
    await loop.attempt()
    assert loop.trouble() is None


async def test_a_loop_that_tries_no_more_is_dead(loop: Loop, work: Work) -> None:
    await loop.attempt()
    work.now += STUCK * 10.0 + 1
    assert loop.is_dead()


async def test_a_loop_that_was_ended_is_dead(loop: Loop) -> None:
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(0)
    assert not loop.is_dead()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert loop.is_dead()


async def test_a_turn_that_hangs_is_given_up() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    loop = Loop("work", hang, every=0.001, bound=0.01)
    await asyncio.wait_for(loop.attempt(), 30)
    assert "TimeoutError" in (loop.trouble() or "TimeoutError")


async def test_the_same_error_is_told_once_a_minute(loop: Loop, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    work.error = RuntimeError("no")
    for _ in range(5):
        await loop.attempt()
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info, "an error that nobody expected shows where it happened"
    work.now += LOG_INTERVAL + 1
    await loop.attempt()
    assert len(caplog.records) == 2
    work.error = RuntimeError("another")
    await loop.attempt()
    assert len(caplog.records) == 3


async def test_a_cancellation_from_inside_is_an_error_and_ours_is_the_end(loop: Loop, work: Work) -> None:
    work.error = asyncio.CancelledError()
    assert await loop.attempt() == 1.0
    started = asyncio.Event()

    async def wait() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Loop("work", wait, every=0.5, bound=60.0).run())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
