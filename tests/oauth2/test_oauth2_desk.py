"""Where signatures are made."""

from __future__ import annotations

import asyncio
import threading

import pytest

from ostiary.providers.oauth2.tokens.signing_executor import RARE, SigningExecutor


def where() -> int:
    return threading.get_ident()


async def test_a_rare_signature_is_made_at_once() -> None:
    desk = SigningExecutor(cores=2)
    assert await desk.make(where) == threading.get_ident()
    await asyncio.sleep(RARE * 2)
    assert await desk.make(where) == threading.get_ident()


async def test_signatures_that_follow_each_other_are_made_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.providers.oauth2.tokens.signing_executor.RARE", 60.0)
    desk = SigningExecutor(cores=2)
    made = await asyncio.gather(*(desk.make(where) for _ in range(4)))
    assert made[0] == threading.get_ident()
    assert threading.get_ident() not in made[1:]


async def test_one_core_makes_all_at_once() -> None:
    desk = SigningExecutor(cores=1)
    assert set(await asyncio.gather(*(desk.make(where) for _ in range(4)))) == {threading.get_ident()}
