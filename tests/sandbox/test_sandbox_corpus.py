"""Expressions as homelabs have them: what comes of each is what plain Python makes of it."""

from __future__ import annotations

from itertools import groupby
from typing import Final

import corpus_oracle
import pytest
from corpus_cases import Run, differences, runs, world

WORLD: Final = world()
CASES: Final = [list(case) for _, case in groupby(runs(), key=lambda run: run.case)]


@pytest.mark.parametrize("case", CASES, ids=[case[0].case for case in CASES])
def test_a_case_is_what_python_makes_of_it(case: list[Run]) -> None:
    found = {run.number: differences(run, corpus_oracle.evaluate(run, WORLD)) for run in case}
    assert not any(found.values()), found


def test_the_corpus_has_fifty_of_a_homelab_and_a_hundred_others_and_no_name_twice() -> None:
    names = [case[0].case for case in CASES]
    assert len(set(names)) == len(names)
    homelab = [name for name in names if name.startswith("homelab: ")]
    assert len(homelab) >= 50
    assert len(names) - len(homelab) >= 100
