"""Refuses files above 600 lines, functions above 50 lines, and folders of the program with more than 16 modules.

Functions of tests have no limit, nor have marked verifiers: a verifier may be longer if each of its paragraphs cites a
clause. Its `def` line, or the line above, then has the comment `# a verifier: RFC ..., one paragraph per clause`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MAX_FILE_LINES: Final = 600
MAX_FUNCTION_LINES: Final = 50
MAX_MODULES: Final = 16
MARK: Final = "# a verifier:"
ROOT: Final = Path(__file__).resolve().parent.parent


def main() -> int:
    """Print everything that is too long. Returns the exit code: 1 if there is any."""
    problems = [
        line
        for folder in ("src", "tests", "scripts", "examples", "bench", "delivery")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in too_long(path)
    ]
    problems += [line for folder in sorted((ROOT / "src").rglob("*/")) for line in crowded(folder)]
    print("\n".join(problems) or "no file, function or folder is too long")
    return 1 if problems else 0


def crowded(folder: Path) -> Iterator[str]:
    """Yield a line for a folder with too many modules."""
    modules = len(list(folder.glob("*.py")))
    if modules > MAX_MODULES:
        yield f"{folder}: {modules} modules, the limit is {MAX_MODULES}"


def too_long(path: Path) -> Iterator[str]:
    """Yield a line for a file, and for each of its functions, that is too long."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    name = path.relative_to(ROOT)
    if len(lines) > MAX_FILE_LINES:
        yield f"{name}: {len(lines)} lines, the limit is {MAX_FILE_LINES}"
    if "tests" in name.parts:
        return
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        marked = any(MARK in line for line in lines[max(node.lineno - 2, 0) : node.body[0].lineno])
        if length > MAX_FUNCTION_LINES and not marked:
            yield f"{name}:{node.lineno}: {node.name} has {length} lines, the limit is {MAX_FUNCTION_LINES}"


if __name__ == "__main__":
    sys.exit(main())
