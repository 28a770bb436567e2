"""The tests and mutants of each rule of docs/security-rules.md, found by their names."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROW: Final = re.compile(r"^\| (A\d\d) \| (.*?) \|[^|]*\|[^|]*\|$", re.MULTILINE)
NAMED: Final = re.compile(r"(?:^|_)a(\d\d)(?=_|$)")
CITED: Final = re.compile(r"\bA(\d\d)\b(?![-\w])")


def fill(text: str, root: Path) -> str:
    """Return the page with new columns of tests and mutants."""
    tests, guards = tests_of(root), mutants_of(root)

    def row(match: re.Match[str]) -> str:
        rule = match[1]
        files = ", ".join(f"`{path}` ({count})" for path, count in sorted(tests.get(rule, {}).items()))
        return f"| {rule} | {match[2]} | {files or '*not built*'} | {len(guards.get(rule, [])) or '-'} |"

    return ROW.sub(row, text)


def tests_of(root: Path) -> dict[str, dict[str, int]]:
    """Return the test files of each rule, with the number of tests whose names contain its number."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for path in _tests(root):
        for name in _names(path):
            for number in NAMED.findall(name):
                counts[f"A{number}"][str(path.relative_to(root))] += 1
    return counts


def mutants_of(root: Path) -> dict[str, list[str]]:
    """Return the guards of each rule that mutants remove."""
    guards: dict[str, list[str]] = defaultdict(list)
    for path in sorted((root / "mutants").glob("*.toml")):
        for mutant in tomllib.loads(path.read_text()).get("mutant", ()):
            for rule in mutant["rules"]:
                guards[rule].append(mutant["guard"])
    return guards


def cited(root: Path) -> set[str]:
    """Return every rule cited by a test, a mutant or the code."""
    files = [*_tests(root), *(root / "src").rglob("*.py"), *(root / "mutants").glob("*.toml")]
    named = {f"A{number}" for path in files for number in CITED.findall(path.read_text())}
    return named | set(tests_of(root)) | set(mutants_of(root))


def _tests(root: Path) -> Iterator[Path]:
    for folder in (root / "tests", root / "delivery" / "tests"):
        yield from sorted(folder.rglob("test_*.py"))


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name
