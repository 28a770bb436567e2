"""Cards: how-to pages whose front matter says what they require. Read with the lines that a complaint will name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

FOLDER: Final = "docs/how-to"
ACTIVE: Final = "active"  # still to be done
DONE: Final = "done"
STATUSES: Final = (ACTIVE, DONE)
KEYS: Final = ("title", "modified", "requires", "status", "tags")
ALSO: Final = ("branch", "reviewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One page; `name` is its file's without the ending, `line` where it says what it requires."""

    name: str
    title: str
    requires: tuple[str, ...] = ()
    status: str = ACTIVE
    tags: tuple[str, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class Cards:
    """All cards by name, and what is wrong with their front matter, each a line that begins with file and line."""

    by_name: Mapping[str, Card]
    wrong: tuple[str, ...] = ()


def read(repository: Path) -> Cards:
    """Read the cards of a repository; without the folder there are none."""
    found = sorted((repository / FOLDER).glob("*.md"))
    return parse({path.stem: path.read_text(encoding="utf-8") for path in found})


def parse(texts: Mapping[str, str]) -> Cards:
    """Read cards from their texts by name. A card with mistakes is read as far as it goes."""
    cards: dict[str, Card] = {}
    wrong: list[str] = []
    for name, text in sorted(texts.items()):
        matter, lines, told = front_matter(text)
        told = told or list(_mistakes(matter, lines, text))
        wrong += [f"{FOLDER}/{name}.md:{line}: {what}" for line, what in told]
        cards[name] = Card(
            name=name,
            title=str(matter.get("title") or name),
            requires=_names(matter.get("requires")),
            status=DONE if matter.get("status") == DONE else ACTIVE,
            tags=_names(matter.get("tags")),
            line=lines.get("requires", 1),
        )
    return Cards(cards, tuple(wrong))


def front_matter(text: str) -> tuple[dict[str, Any], dict[str, int], list[tuple[int, str]]]:
    """Return what stands between the first two lines of three dashes, the line of each key, and what is wrong."""
    if not text.startswith("---\n"):
        return {}, {}, [(1, "it has no front matter")]
    matter, dashes, _ = text[4:].partition("\n---\n")
    if not dashes:
        return {}, {}, [(1, "its front matter has no end")]
    try:
        node = yaml.compose(matter, Loader=yaml.SafeLoader)
        value = yaml.safe_load(matter)
    except (yaml.YAMLError, ValueError) as error:
        return {}, {}, [(2, f"its front matter is not YAML: {' '.join(str(error).split())}")]
    if not isinstance(node, yaml.MappingNode) or not isinstance(value, dict):
        return {}, {}, [(2, "its front matter is no table")]
    return value, {str(key.value): key.start_mark.line + 2 for key, _ in node.value}, []


def _mistakes(matter: Mapping[str, Any], lines: Mapping[str, int], text: str) -> Iterator[tuple[int, str]]:
    for key in KEYS:
        if key not in matter:
            yield 1, f"its front matter has no `{key}`"
    for key in matter:
        if key not in (*KEYS, *ALSO):
            yield lines.get(str(key), 1), f"nothing is known of `{key}`"
    yield from _bad_values(matter, lines)
    if "title" in matter and f"\n# {matter['title']}\n" not in text:
        yield lines["title"], "the title is not the page's heading"


def _bad_values(matter: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    for key in ("modified", "reviewed"):
        if key in matter and not isinstance(matter[key], dt.date):
            yield lines[key], f"`{key}` is no date like 2026-01-31"
    for key in ("requires", "tags"):
        value = matter.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            yield lines[key], f"`{key}` is no list of names"
        elif len(set(value)) < len(value):
            yield lines[key], f"`{key}` names something twice"
    if matter.get("status", DONE) not in STATUSES:
        yield lines["status"], f"`status` is none of {', '.join(STATUSES)}"


def _names(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in value if isinstance(one, str))) if isinstance(value, list) else ()
