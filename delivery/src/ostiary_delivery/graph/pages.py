"""`ostiary-delivery docs check`: links lead somewhere, cards are as they must be, and every page is found from the top.

Pages are the Markdown files of the repository's own folder, of `docs/` and of `changes/`. A link in code is none.
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
from ostiary_delivery.graph.chain import complaints

FENCE: Final = re.compile(r"^ {0,3}(```+|~~~+)")
CODE: Final = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK: Final = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)|^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?\s*$")
CARD: Final = re.compile(r"\[\[([^\[\]|]+)(?:\|[^\[\]]*)?\]\]")
HEADING: Final = re.compile(r"^#{1,6}\s+(.*?)\s*#*$")
OUTSIDE: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def check(repository: Path) -> list[str]:
    """Return what is wrong, each a line that begins with file and line."""
    root = repository.resolve()
    texts = {path: path.read_text(encoding="utf-8") for path in _pages(root)}
    cards = reading.read(root)
    wrong = [*cards.wrong, *complaints(cards.by_name, folder=FOLDER)]
    links: dict[Path, set[Path]] = {}
    for path, text in texts.items():
        links[path] = set()
        for number, target in _targets(text):
            to, told = _resolve(root, path, target, cards=cards, texts=texts)
            if told:
                wrong.append(f"{path.relative_to(root)}:{number}: {told}")
            links[path] |= {one for one in texts if to in (one, one.parent)}
    for name, card in cards.by_name.items():
        links[root / FOLDER / f"{name}.md"] |= {root / FOLDER / f"{one}.md" for one in card.requires}
    plans = {root / FOLDER / f"{name}.md" for name, card in cards.by_name.items() if card.status == ACTIVE}
    wrong += [f"{path.relative_to(root)}:1: no page leads here" for path in _orphans(root, links, plans=plans)]
    return wrong


def _pages(root: Path) -> list[Path]:
    return [
        *sorted(root.glob("*.md")),
        *sorted((root / "docs").rglob("*.md")),
        *sorted((root / "changes").glob("*.md")),
    ]


def _targets(text: str) -> Iterator[tuple[int, str]]:
    """Yield line and target of each link; a card's name keeps its brackets."""
    for number, line in _prose(text):
        plain = CODE.sub("", line)
        yield from ((number, found[1] or found[2]) for found in LINK.finditer(plain))
        yield from ((number, f"[[{found[1].strip()}]]") for found in CARD.finditer(plain))


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines, from 1, that are neither code nor front matter."""
    lines = text.splitlines()
    start = lines.index("---", 1) + 1 if text.startswith("---\n") and "---" in lines[1:] else 0
    fence = ""
    for number, line in enumerate(lines[start:], start + 1):
        found = FENCE.match(line)
        if found and not fence:
            fence = found[1]
        elif found and found[1].startswith(fence) and line.strip() == found[1]:
            fence = ""
        elif not fence:
            yield number, line


def _resolve(
    root: Path, page: Path, target: str, *, cards: Cards, texts: Mapping[Path, str]
) -> tuple[Path | None, str | None]:
    """Return the file or folder here that a link leads to, and what is wrong; a folder stands for its pages."""
    if target.startswith("[["):
        name, _, anchor = target[2:-2].partition("#")
        if name not in cards.by_name:
            return None, f"there is no card {name}"
        path = root / FOLDER / f"{name}.md"
    elif OUTSIDE.match(target) or target.startswith("//"):
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
    found: set[str] = set()
    for _, line in _prose(text):
        heading = HEADING.match(line)
        if not heading:
            continue
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        kept = "".join(one for one in words if one in " -_" or unicodedata.category(one)[0] in "LN")
        name = kept.replace(" ", "-")
        number = 1
        unique = name
        while unique in found:
            unique, number = f"{name}-{number}", number + 1
        found.add(unique)
    return found


def _orphans(root: Path, links: Mapping[Path, set[Path]], *, plans: set[Path]) -> list[Path]:
    """Return pages that no way of links leads to from the repository's own folder.

    Fragments of changes need none, nor do open cards: they are plans, and `mikado` shows them.
    """
    reached = {path for path in links if path.parent == root} | plans
    waiting = list(reached)
    for path in waiting:
        for to in links.get(path, set()) - reached:
            reached.add(to)
            waiting.append(to)
    return [path for path in sorted(links) if path not in reached and path.parent != root / "changes"]
