"""Cards: how-to pages whose front matter says what they require. Line numbers are kept for messages."""

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
OPTIONAL_KEYS: Final = ("branch", "reviewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One page; `name` is its file name without .md, `line` the line of `requires`."""

    name: str
    title: str
    requires: tuple[str, ...] = ()
    status: str = ACTIVE
    tags: tuple[str, ...] = ()
    line: int = 1


@dataclass(frozen=True, slots=True)
class Cards:
    """All cards by name, and the problems of their front matter, each with file and line."""

    by_name: Mapping[str, Card]
    problems: tuple[str, ...] = ()


def read(repository: Path) -> Cards:
    """Read the cards of a repository; without the folder there are none."""
    paths = sorted((repository / FOLDER).glob("*.md"))
    return parse({path.stem: path.read_text(encoding="utf-8") for path in paths})


def parse(texts: Mapping[str, str]) -> Cards:
    """Parse cards from texts by name. A card with mistakes is parsed as far as possible."""
    cards: dict[str, Card] = {}
    problems: list[str] = []
    for name, text in sorted(texts.items()):
        matter, lines, mistakes = front_matter(text)
        mistakes = mistakes or list(_validate(matter, lines, text))
        problems += [f"{FOLDER}/{name}.md:{line}: {what}" for line, what in mistakes]
        cards[name] = Card(
            name=name,
            title=str(matter.get("title") or name),
            requires=_name_list(matter.get("requires")),
            status=DONE if matter.get("status") == DONE else ACTIVE,
            tags=_name_list(matter.get("tags")),
            line=lines.get("requires", 1),
        )
    return Cards(cards, tuple(problems))


def front_matter(text: str) -> tuple[dict[str, Any], dict[str, int], list[tuple[int, str]]]:
    """Return the front matter, the line of each key, and mistakes with their lines."""
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


def _validate(matter: Mapping[str, Any], lines: Mapping[str, int], text: str) -> Iterator[tuple[int, str]]:
    for key in KEYS:
        if key not in matter:
            yield 1, f"its front matter has no `{key}`"
    for key in matter:
        if key not in (*KEYS, *OPTIONAL_KEYS):
            yield lines.get(str(key), 1), f"`{key}` is unknown"
    yield from _validate_values(matter, lines)
    if "title" in matter and f"\n# {matter['title']}\n" not in text:
        yield lines["title"], "the title is not the page's heading"


def _validate_values(matter: Mapping[str, Any], lines: Mapping[str, int]) -> Iterator[tuple[int, str]]:
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


def _name_list(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in value if isinstance(one, str))) if isinstance(value, list) else ()
