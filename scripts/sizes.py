"""Refuses files above 600 lines, functions above 50 and folders of more than 16 modules of the program.

No limit for verifiers that say so and for tests that tell a story.

A verifier may be longer when each of its paragraphs cites its clause; its `def` line, or the line above, then carries
the comment `# a verifier: RFC ..., one paragraph per clause`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LONGEST_FILE: Final = 600
LONGEST_FUNCTION: Final = 50
MOST_MODULES: Final = 16
MARK: Final = "# a verifier:"
ROOT: Final = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print what is too long; 1 when anything is."""
    found = [
        line
        for folder in ("src", "tests", "scripts", "examples", "bench", "delivery")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in too_long(path)
    ]
    found += [line for folder in sorted((ROOT / "src").rglob("*/")) for line in crowded(folder)]
    print("\n".join(found) or "no file, function or folder is too long")
    return 1 if found else 0


def crowded(folder: Path) -> Iterator[str]:
    """Yield one line for a folder of too many modules."""
    modules = len(list(folder.glob("*.py")))
    if modules > MOST_MODULES:
        yield f"{folder}: {modules} modules, the limit is {MOST_MODULES}"


def too_long(path: Path) -> Iterator[str]:
    """Yield one line for each thing of a file that is too long."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    name = path.relative_to(ROOT)
    if len(lines) > LONGEST_FILE:
        yield f"{name}: {len(lines)} lines, the limit is {LONGEST_FILE}"
    if "tests" in name.parts:
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        marked = any(MARK in line for line in lines[max(node.lineno - 2, 0) : node.body[0].lineno])
        if length > LONGEST_FUNCTION and not marked:
            yield f"{name}:{node.lineno}: {node.name} has {length} lines, the limit is {LONGEST_FUNCTION}"


if __name__ == "__main__":
    sys.exit(main())
