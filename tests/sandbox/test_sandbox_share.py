"""The share of the corpus that runs in the sandbox unchanged, with the results that Python gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from corpus_cases import not_running, runs, world
from corpus_sandbox import House, opened
from expression_share import LEAST, Share, measured, shares

from ostiary.store.database import Database


@pytest_asyncio.fixture
async def house(sqlite_database: Database) -> AsyncIterator[House]:
    async with opened(sqlite_database, world()) as made:
        yield made


async def test_what_runs_is_right_and_what_does_not_is_listed(house: House) -> None:
    found = await measured(house)
    assert {case: problems for case, problems in found.items() if problems and case not in not_running()} == {}
    assert [case for case in not_running() if not found[case]] == []
    # Of what was not written for it, almost everything runs.
    (*_, together) = shares(found)
    assert together.running >= LEAST * together.all, together


def test_the_share_that_is_published_is_the_measured_one() -> None:
    """The list of what does not run is held to be complete above."""
    listed: dict[str, list[str]] = {run.case: [] for run in runs()}
    listed.update({case: [reason] for case, reason in not_running().items()})
    page = (Path(__file__).parents[2] / "docs" / "expressions.md").read_text()
    for share in shares(listed):
        assert f"| {share.origin} | {share.running} | {share.all} |" in page


def test_a_share_is_in_words() -> None:
    assert str(Share("documentation", 19, 20, counts=True)) == "documentation: 19 of 20 (95.0 %)"
    assert str(Share("homelab", 0, 0, counts=False)) == "homelab: 0 of 0 (0.0 %)"


pytestmark = pytest.mark.timeout(240)
