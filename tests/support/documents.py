"""The documentation as a program reads it: fenced blocks of pages, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "examples/homelab/README.md")
FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SHELL = frozenset({"", "sh"})
LANGUAGES = SHELL | {"yaml", "json", "toml", "ini", "env", "sql", "python", "nix", "nginx", "caddy", "text"}
"""What a block may be: commands, or a file, or what a program shows (`text`)."""


@dataclass(frozen=True)
class Block:
    page: str
    language: str
    text: str


def pages() -> list[str]:
    """All pages with commands that a reader follows, by their paths in the repository."""
    return [*PAGES, *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/how-to").glob("*.md"))]


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [Block(page, found[2], found[3]) for found in FENCE.finditer((ROOT / page).read_text())]


def commands(page: str) -> list[str]:
    """The commands of a page, in order: lines continued by a backslash are one, remarks are left out."""
    return [line for block in blocks(page) if block.language in SHELL for line in _lines(block.text)]


def _lines(text: str) -> Iterator[str]:
    joined = re.sub(r" *\\\n *", " ", text)
    for line in joined.splitlines():
        bare = re.sub(r"(^|\s+)#\s.*$", "", line).strip()
        if bare:
            yield bare


def inline(page: str) -> list[str]:
    """What a page names between single backquotes, outside of fenced blocks."""
    text = FENCE.sub("", (ROOT / page).read_text())
    return [found.replace("\\|", "|") for found in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


def of_language(page: str, language: str, start: str = "") -> list[str]:
    """The texts of a page's blocks in one language."""
    return [block.text for block in blocks(page) if block.language == language and block.text.startswith(start)]
