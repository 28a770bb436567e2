"""`ostiary-delivery docs check`: broken links, mistakes in cards, and pages that no link reaches.

Pages are the Markdown files of the root, of `docs/` and of `changes/`. Links in code do not count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from ostiary_delivery.graph import cards as reading
from ostiary_delivery.graph.cards import ACTIVE, FOLDER, Cards
from ostiary_delivery.graph.chain import problems

FENCE: Final = re.compile(r"^ {0,3}(```+|~~~+)")
CODE: Final = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK: Final = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$")
CARD: Final = re.compile(r"\[\[([^\[\]|]+)(?:\|[^\[\]]*)?\]\]")
HEADING: Final = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
EXTERNAL: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def check(repository: Path) -> list[str]:
    """Return the problems of all pages, each with file and line."""
    root = repository.resolve()
    texts = {path: path.read_text(encoding="utf-8") for path in _pages(root)}
    cards = reading.read(root)
    faults = [*cards.problems, *problems(cards.by_name, folder=FOLDER)]
    links: dict[Path, set[Path]] = {}
    for path, text in texts.items():
        links[path] = set()
        for number, target in _targets(text):
            to, fault = _resolve(root, path, target, cards=cards, texts=texts)
            if fault:
                faults.append(f"{path.relative_to(root)}:{number}: {fault}")
            links[path] |= {one for one in texts if to in (one, one.parent)}
    for name, card in cards.by_name.items():
        links[root / FOLDER / f"{name}.md"] |= {root / FOLDER / f"{one}.md" for one in card.requires}
    plans = {root / FOLDER / f"{name}.md" for name, card in cards.by_name.items() if card.status == ACTIVE}
    faults += [f"{path.relative_to(root)}:1: no page leads here" for path in _orphans(root, links, plans=plans)]
    return faults


def _pages(root: Path) -> list[Path]:
    return [
        *sorted(root.glob("*.md")),
        *sorted((root / "docs").rglob("*.md")),
        *sorted((root / "changes").glob("*.md")),
    ]


def _targets(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link; a card reference keeps its brackets."""
    for number, line in _prose(text):
        prose = CODE.sub("", line)
        yield from ((number, match[1] or match[2]) for match in LINK.finditer(prose))
        yield from ((number, f"[[{match[1].strip()}]]") for match in CARD.finditer(prose))


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of the lines outside code and front matter."""
    lines = text.splitlines()
    start = lines.index("---", 1) + 1 if text.startswith("---\n") and "---" in lines[1:] else 0
    fence = ""
    for number, line in enumerate(lines[start:], start + 1):
        match = FENCE.match(line)
        if match and not fence:
            fence = match[1]
        elif match and match[1].startswith(fence) and line.strip() == match[1]:
            fence = ""
        elif not fence:
            yield number, line


def _resolve(
    root: Path, page: Path, target: str, *, cards: Cards, texts: Mapping[Path, str]
) -> tuple[Path | None, str | None]:
    """Resolve a link: the file or folder it leads to, and the problem, if any. A folder stands for its pages."""
    if target.startswith("[["):
        name, _, anchor = target[2:-2].partition("#")
        if name not in cards.by_name:
            return None, f"there is no card {name}"
        path = root / FOLDER / f"{name}.md"
    elif EXTERNAL.match(target) or target.startswith("//"):
        return None, None
    else:
        file, _, anchor = unquote(target).partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists():
            return None, f"{target} leads nowhere"
        if not path.is_relative_to(root):
            return None, f"{target} leads out of the repository"
    if anchor and path in texts and anchor not in _anchors(texts[path]):
        return path, f"{path.relative_to(root)} has no heading #{anchor}"
    return path, None


def _anchors(text: str) -> set[str]:
    """Return the anchors of headings as forges make them."""
    anchors: set[str] = set()
    for _, line in _prose(text):
        heading = HEADING.match(line)
        if not heading:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        letters = "".join(one for one in words if one in " -_" or unicodedata.category(one)[0] in "LN")
        name = letters.replace(" ", "-")
        number = 1
        unique = name
        while unique in anchors:
            unique, number = f"{name}-{number}", number + 1
        anchors.add(unique)
    return anchors


def _orphans(root: Path, links: Mapping[Path, set[Path]], *, plans: set[Path]) -> list[Path]:
    """Return pages that no chain of links reaches from the root.

    Fragments in changes/ and open cards are exempt: cards are plans, and `mikado` shows them.
    """
    reached = {path for path in links if path.parent == root} | plans
    waiting = list(reached)
    for path in waiting:
        for to in links.get(path, set()) - reached:
            reached.add(to)
            waiting.append(to)
    return [path for path in sorted(links) if path not in reached and path.parent != root / "changes"]
