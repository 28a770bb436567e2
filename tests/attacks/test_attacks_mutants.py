"""The mutants themselves: each still applies, each rule has one, and the fast ones die."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import mutants  # noqa: E402 - a script, not a package

RULES = {
    f"A{number:02}"
    for number in (*range(1, 22), 30, 31, 33, 34, 35, 37, 39, 40, 41, 42, 47, 56, 57, 58, 67, 68, 69, 72, 73, 74, 77)
}
FOUND: list[Any] = mutants.load() if (ROOT / "mutants").is_dir() else []  # absent in the scratch copies
needs_mutants = pytest.mark.skipif(not FOUND, reason="a scratch copy")


@needs_mutants
def test_every_rule_has_a_mutant() -> None:
    assert RULES - {rule for mutant in FOUND for rule in mutant.rules} == set()


@needs_mutants
@pytest.mark.parametrize("mutant", FOUND, ids=lambda mutant: mutant.guard)
def test_it_still_applies_and_its_tests_are_there(mutant: Any) -> None:
    compile(mutant.applied(ROOT), mutant.guard, "exec")
    for test in (*mutant.red, *mutant.green):
        path, *names = test.split("::")
        text = (ROOT / path).read_text()
        assert f"def {names[-1]}(" in text, test
        assert all(f"class {name}" in text for name in names[:-1]), test
    assert not set(mutant.red) & set(mutant.green)


@needs_mutants
def test_every_marked_guard_has_its_mutant() -> None:
    marked = re.compile(r"^\s*# guard: (A\d\d .*)$", re.MULTILINE)
    in_code = [guard for path in (ROOT / "src").rglob("*.py") for guard in marked.findall(path.read_text())]
    assert sorted(in_code) == sorted(f"{mutant.rules[0]} {mutant.guard}" for mutant in FOUND)


@needs_mutants
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_fast_ones_die() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "mutants.py"), "--fast"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr
