"""Chains of cards drawn: as a tree for terminals, as mermaid for pages, as SVG for the rest. Bytes are stable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ostiary_delivery.graph.chain import ByName, is_open, waits_for

MARKS: Final = {"done": "✓", "ready": "●", "waiting": "○", "missing": "?"}
ROW: Final = 96  # pixels, as all numbers below
BOX: Final = 44
GAP: Final = 24
LETTER: Final = 7.4
STYLE: Final = (
    "text{font:13px sans-serif;fill:#111}rect{stroke:#444;rx:6px}path{fill:none;stroke:#666}"
    ".done rect{fill:#d8ead8}.ready rect{fill:#ffe9a8;stroke-width:2}.waiting rect{fill:#eee}"
    ".missing rect{fill:#f7d0d0;stroke-dasharray:4}"
)


def state(cards: ByName, name: str) -> str:
    """Return done, ready, waiting or missing."""
    if name not in cards:
        return "missing"
    if not is_open(cards, name):
        return "done"
    return "waiting" if waits_for(cards, name) else "ready"


def tree(cards: ByName, roots: Sequence[str], *, everything: bool) -> Iterator[str]:
    """Yield the lines of a tree; what was drawn before is not drawn again, only named."""
    seen: set[str] = set()
    for root in roots:
        yield _told(cards, root, seen=False)
        yield from _below(cards, root, "", above=(root,), seen=seen, everything=everything)


def _below(
    cards: ByName, name: str, indent: str, *, above: tuple[str, ...], seen: set[str], everything: bool
) -> Iterator[str]:
    seen.add(name)
    wanted = cards[name].requires if name in cards else ()
    shown = [one for one in wanted if everything or is_open(cards, one)]
    for number, one in enumerate(shown, 1):
        last = number == len(shown)
        turn = "└─ " if last else "├─ "
        if one in above:
            yield f"{indent}{turn}↺ {one}: a cycle"
            continue
        yield indent + turn + _told(cards, one, seen=one in seen)
        if one not in seen:
            deeper = indent + ("   " if last else "│  ")
            yield from _below(cards, one, deeper, above=(*above, one), seen=seen, everything=everything)


def _told(cards: ByName, name: str, *, seen: bool) -> str:
    how = state(cards, name)
    title = f" - {cards[name].title}" if name in cards else ""
    more = {"ready": " [ready]", "missing": " [there is no such card]"}.get(how, "")
    return f"{MARKS[how]} {name}{title}{more}" + (" (see above)" if seen and name in cards else "")


def mermaid(cards: ByName, names: Sequence[str]) -> str:
    """Return a mermaid graph of these cards and the links between them."""
    ids = {name: f"c{number}" for number, name in enumerate(names)}
    lines = ["graph TD"]
    for name in names:
        title = cards[name].title if name in cards else f"{name}: missing"
        label = title.replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
        how = state(cards, name)
        lines.append(f'  {ids[name]}["{MARKS[how]} {label}"]:::{how}')
    lines += [f"  {ids[name]} --> {ids[one]}" for name, one in _links(cards, names)]
    lines += [
        "  classDef done fill:#d8ead8,color:#111",
        "  classDef ready fill:#ffe9a8,color:#111,stroke-width:2px",
        "  classDef waiting fill:#eee,color:#111",
        "  classDef missing fill:#f7d0d0,color:#111,stroke-dasharray:4",
    ]
    return "\n".join(lines) + "\n"


def svg(cards: ByName, names: Sequence[str]) -> str:
    """Return a picture: goals above, what they require in rows below."""
    places, width, height = _places(cards, names)
    body = []
    for name, one in _links(cards, names):
        (left, top, wide), (to_left, to_top, to_wide) = places[name], places[one]
        x, y, to_x = left + wide / 2, top + BOX, to_left + to_wide / 2
        bend = (y + to_top) / 2
        body.append(f'<path d="M{x:.0f} {y} C{x:.0f} {bend:.0f} {to_x:.0f} {bend:.0f} {to_x:.0f} {to_top}"/>')
    for name in names:
        left, top, wide = places[name]
        how = state(cards, name)
        label = escape(f"{MARKS[how]} {_title(cards, name)}")
        body.append(
            f'<g class="{how}"><title>{escape(name)}: {how}</title>'
            f'<rect x="{left:.0f}" y="{top}" width="{wide:.0f}" height="{BOX}"/>'
            f'<text x="{left + wide / 2:.0f}" y="{top + 27}" text-anchor="middle">{label}</text></g>'
        )
    size = f'width="{width:.0f}" height="{height}" viewBox="0 0 {width:.0f} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>What requires what</title>'
    return "\n".join([head, f"<style>{STYLE}</style>", *body, "</svg>"]) + "\n"


def _title(cards: ByName, name: str) -> str:
    return cards[name].title if name in cards else f"{name}: missing"


def _links(cards: ByName, names: Sequence[str]) -> list[tuple[str, str]]:
    known = set(names)
    return [(name, one) for name in names if name in cards for one in cards[name].requires if one in known]


def _places(cards: ByName, names: Sequence[str]) -> tuple[dict[str, tuple[float, int, float]], float, int]:
    """Return (left, top, width) of each box, and the size of the whole."""
    rows: dict[int, list[str]] = {}
    for name, depth in _depths(cards, names).items():
        rows.setdefault(depth, []).append(name)
    found: dict[str, tuple[float, int, float]] = {}
    width = 0.0
    for depth in sorted(rows):
        left = float(GAP)
        for name in rows[depth]:
            wide = len(_title(cards, name)) * LETTER + 40
            found[name] = (left, GAP + depth * ROW, wide)
            left += wide + GAP
        width = max(width, left)
    return found, width, GAP * 2 + max(rows, default=0) * ROW + BOX


def _depths(cards: ByName, names: Sequence[str]) -> dict[str, int]:
    """Return how far below a goal each card is, by the longest way; a cycle ends it by the number of cards."""
    depth = dict.fromkeys(names, 0)
    for _ in names:
        moved = False
        for name, one in _links(cards, names):
            if name != one and depth[one] <= depth[name] < len(names) - 1:
                depth[one], moved = depth[name] + 1, True
        if not moved:
            break
    return depth
