"""Mutation tests of the guards: each mutant removes one guard, and its tests must fail.

A guard is marked by a comment above its statement, which is unique in the tree:

    # guard: A09 a code is used once

Mutants are described in mutants/*.toml, one table `[[mutant]]` each:

    rules = ["A09"]                     the security rules of the guard; the marker contains the first
    guard = "a code is used once"       the removed guard, as in the marker
    never = true                        the condition of the marked `if` is False; or
    always = true                       it is True; or
    drop = true                         the marked statement is removed; or
    old = '''...''', new = '''...'''    the first such text, from the beginning of the marked statement on, is replaced
    red = ["tests/...::test_a09_..."]   all of these must fail
    green = ["tests/...::test_..."]     unrelated tests that must pass
    fast = true                         part of `make test-all`

The tree is copied to temporary folders, where the tests run; production code is not involved. The exit code is 1 if a
mutant survives, if its marker or text is missing, or if a test fails before the change, or an unrelated one after it.
"""

from __future__ import annotations

import argparse
import ast
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("src", "tests", "examples", "docs", "pyproject.toml")
PROCESSES = 2
SECONDS = 300  # for the tests of one mutant
KEYS = {"rules", "guard", "red", "green", "fast"}
CHANGES = ({"never"}, {"always"}, {"drop"}, {"old", "new"})


@dataclass(frozen=True)
class Mutant:
    """The removal of a guard."""

    source: str
    rules: tuple[str, ...]
    guard: str
    how: str  # "never", "always", "drop", "text"
    old: str
    new: str
    red: tuple[str, ...]
    green: tuple[str, ...]
    fast: bool

    @property
    def marker(self) -> str:
        """The comment that marks the guard."""
        return f"# guard: {self.rules[0]} {self.guard}\n"

    def path(self, root: Path) -> Path:
        """Return the file of the guard. Raises ValueError unless its marker is unique in src."""
        files = [path for path in sorted((root / "src").rglob("*.py")) if self.marker in path.read_text()]
        if len(files) != 1 or files[0].read_text().count(self.marker) != 1:
            raise ValueError(f"{self.marker.strip()!r} is in {[str(path) for path in files]}, expected once")
        return files[0]

    def applied(self, root: Path) -> str:
        """Return the changed text of the file. Raises ValueError if the change cannot be applied."""
        text = self.path(root).read_text()
        begin = _after_comments(text, text.index(self.marker))
        start, end, new = (text.find(self.old, begin), 0, self.new) if self.how == "text" else self._node(text, begin)
        if self.how == "text":
            end = start + len(self.old)
        if start < 0 or text[start:end] == new:
            raise ValueError(f"{self.old!r} does not follow {self.marker.strip()!r}")
        return text[:start] + new + text[end:]

    def _node(self, text: str, begin: int) -> tuple[int, int, str]:
        """Return begin and end of the marked statement or its condition, and the replacement."""
        line = text.count("\n", 0, begin) + 1
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt) and node.lineno == line]
        node: ast.AST | None = nodes[0] if nodes else None
        if self.how != "drop":
            node = node.test if isinstance(node, ast.If) else None
        segment = ast.get_source_segment(text, node) if node is not None else None
        if segment is None:
            raise ValueError(f"no statement for {self.how!r} under {self.marker.strip()!r}")
        start = text.index(segment, begin)
        return start, start + len(segment), {"never": "False", "always": "True", "drop": "pass"}[self.how]


def _after_comments(text: str, begin: int) -> int:
    """Return the beginning of the first line without a comment."""
    while text[begin:].lstrip().startswith("#"):
        begin = text.index("\n", begin) + 1
    return begin


def load(folder: Path = ROOT / "mutants") -> list[Mutant]:
    """Return all mutants. Raises ValueError for an invalid description."""
    mutants = []
    for path in sorted(folder.glob("*.toml")):
        for item in tomllib.loads(path.read_text()).get("mutant", ()):
            change = set(item) - KEYS
            if change not in CHANGES or not (item.get("red") and item.get("green") and item.get("rules")):
                raise ValueError(f"{path.name}: {item.get('guard', '?')}: wrong or missing: {sorted(change)}")
            mutants.append(
                Mutant(
                    source=path.name,
                    rules=tuple(item["rules"]),
                    guard=item["guard"],
                    how="text" if "old" in change else change.pop(),
                    old=item.get("old", ""),
                    new=item.get("new", ""),
                    red=tuple(item["red"]),
                    green=tuple(item["green"]),
                    fast=bool(item.get("fast", False)),
                )
            )
    return mutants


def copy_tree(to: Path) -> None:
    """Copy the files for the tests. The environment is shared; the copied source takes precedence."""
    ignore = shutil.ignore_patterns("__pycache__", "node_modules", ".mypy_cache", ".ruff_cache")
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, ignore=ignore)
        elif source.exists():
            shutil.copy(source, to / part)
    (to / ".venv").symlink_to(ROOT / ".venv")


def run_tests(root: Path, tests: Sequence[str]) -> dict[str, bool]:
    """Run tests in a tree. Returns for each test, or folder of tests, whether all passed. Raises ValueError."""
    report = root / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        str(root / ".venv/bin/python"), "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=no",
        f"--junitxml={report}", "-o", "junit_family=xunit1", "-m", "not image", *dict.fromkeys(tests),
    ]  # fmt: skip
    environ = {**os.environ, "PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=root, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"its tests took longer than {SECONDS} seconds") from None
    if not report.exists():
        raise ValueError("pytest did not run:\n" + done.stdout[-2000:] + done.stderr[-2000:])
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 - the file of this pytest run
    outcome: dict[str, bool] = {}
    for test in tests:
        matching = [case for case in cases if _belongs(case, test)]
        if not matching:
            raise ValueError(f"{test} was not run:\n{done.stdout[-2000:]}")
        if any(case.find("skipped") is not None for case in matching):
            raise ValueError(f"{test} was skipped")
        outcome[test] = all(case.find("failure") is None and case.find("error") is None for case in matching)
    return outcome


def _belongs(case: ET.Element, test: str) -> bool:
    path, _, names = test.partition("::")
    if case.get("file") != path:
        return False
    if not names:
        return True
    *classes, function = names.split("::")
    case_classes = (case.get("classname") or "").split(".")[len(Path(path).with_suffix("").parts) :]
    name = case.get("name") or ""
    return case_classes == classes and (name == function or name.startswith(f"{function}["))


class Bench:
    """The queue of mutants, and the failed ones."""

    def __init__(self, mutants: Sequence[Mutant]) -> None:
        self._todo: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in mutants:
            self._todo.put(mutant)
        self._lock = threading.Lock()
        self.failed: list[str] = []

    def work(self, root: Path) -> None:
        """Run mutants in a tree until the queue is empty."""
        while True:
            try:
                mutant = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                path = mutant.path(root)
            except ValueError as error:
                self._fail(mutant, str(error))
                continue
            before = path.read_text()
            try:
                path.write_text(mutant.applied(root))
                after = run_tests(root, [*mutant.green, *mutant.red])  # red ones last: they may leave resources open
                self._report(mutant, after)
            except ValueError as error:
                self._fail(mutant, str(error))
            finally:
                path.write_text(before)

    def _report(self, mutant: Mutant, after: dict[str, bool]) -> None:
        survived = [test for test in mutant.red if after[test]]
        broken = [test for test in mutant.green if not after[test]]
        if survived:
            self._fail(mutant, "survived, these tests pass: " + ", ".join(survived))
        elif broken:
            self._fail(mutant, "unrelated tests fail: " + ", ".join(broken))
        else:
            with self._lock:
                print(
                    f"{' '.join(mutant.rules):12} {mutant.guard:64} green before, red after ({len(mutant.red)}), "
                    f"unrelated green ({len(mutant.green)})",
                    flush=True,
                )

    def _fail(self, mutant: Mutant, reason: str) -> None:
        with self._lock:
            self.failed.append(mutant.guard)
            print(f"{' '.join(mutant.rules):12} {mutant.guard:64} FAILED: {reason}", flush=True)


def failing_before(root: Path, mutants: Iterable[Mutant]) -> list[str]:
    """Return the tests that fail in the unchanged tree."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in (*mutant.red, *mutant.green)))
    return [test for test, passed in run_tests(root, tests).items() if not passed]


def main() -> int:
    """Run all mutants, or those of the command line. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Remove each guard, and check that its tests fail.")
    parser.add_argument("rule", nargs="*", help="only these rules, such as A09")
    parser.add_argument("--fast", action="store_true", help="only the fast subset")
    options = parser.parse_args()
    rules = {rule.upper() for rule in options.rule}
    mutants = [
        mutant for mutant in load() if (not rules or rules & set(mutant.rules)) and (not options.fast or mutant.fast)
    ]
    with tempfile.TemporaryDirectory(prefix="ostiary-mutants-") as scratch:
        roots = [Path(scratch) / str(number) for number in range(PROCESSES)]
        for root in roots:
            copy_tree(root)
        try:
            red = failing_before(roots[0], mutants)
        except ValueError as error:
            print(f"in the unchanged tree: {error}")
            return 1
        if red:
            print("these tests fail in the unchanged tree:", *red, sep="\n  ")
            return 1
        bench = Bench(mutants)
        threads = [threading.Thread(target=bench.work, args=(root,)) for root in roots]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    count = len({rule for mutant in mutants for rule in mutant.rules})
    print(f"{len(mutants)} mutants of {count} rules, {len(bench.failed)} failed")
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
