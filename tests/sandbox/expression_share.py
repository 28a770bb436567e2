"""Measures which share of the corpus runs in the sandbox unchanged, with the right result; run as a program, prints it.

    python tests/sandbox/expression_share.py

What was written here, in the style of homelabs, is measured as well, but does not count for the share.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final

import corpus_oracle
from corpus_cases import Run, differences, not_running, runs, world
from corpus_sandbox import House, evaluate, opened

from ostiary.app.rooms import MIGRATIONS
from ostiary.store.migrations import migrate
from ostiary.store.sqlite.database import open_sqlite

LEAST: Final = 0.95
OWN: Final = "homelab"
TOGETHER: Final = "together, without what was written for it"


@dataclass(frozen=True)
class Share:
    """How many cases of one origin run. Those `counts` which were not written for the test."""

    origin: str
    running: int
    all: int
    counts: bool

    def __str__(self) -> str:
        return f"{self.origin}: {self.running} of {self.all} ({100 * self.running / max(self.all, 1):.1f} %)"


async def measured(house: House) -> dict[str, list[str]]:
    """Run every case, and return in which points it is not what Python makes of it."""
    found: dict[str, list[str]] = {}
    for case, several in groupby(runs(), key=lambda run: run.case):
        found[case] = [f"run {run.number}: {one}" for run in several for one in await _problems(house, run)]
    return found


async def _problems(house: House, run: Run) -> list[str]:
    outcome = await evaluate(house, run)
    if not run.given.get("clock"):
        return differences(run, outcome)
    told = corpus_oracle.evaluate(run, _now(house.world))  # at the time that the sandbox has
    return [] if (outcome.returned, outcome.messages) == (told.returned, told.messages) else ["another time of day"]


def _now(world: Mapping[str, object]) -> Mapping[str, object]:
    return {**world, "now": datetime.now(UTC).isoformat()}


def shares(found: Mapping[str, list[str]]) -> list[Share]:
    """Return the share of each origin, and of those together that count."""
    origins = {run.case: run.origin for run in runs()}
    every = Counter(origins.values())
    running = Counter(origins[case] for case, problems in found.items() if not problems)
    single = [Share(origin, running[origin], every[origin], origin != OWN) for origin in sorted(every)]
    counted = [one for one in single if one.counts]
    return [*single, Share(TOGETHER, sum(one.running for one in counted), sum(one.all for one in counted), counts=True)]


async def _print() -> None:
    folder = Path(tempfile.mkdtemp())
    database = await open_sqlite(folder / "corpus.db")
    await migrate(database, MIGRATIONS, now=0)
    async with opened(database, world()) as house:
        found = await measured(house)
    await database.close()
    shutil.rmtree(folder)
    lines = [str(share) for share in shares(found)]
    lines += [f"{case}: {not_running().get(case, '; '.join(found[case]))}" for case in found if found[case]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    asyncio.run(_print())
