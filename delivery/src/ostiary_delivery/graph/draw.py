"""Drawings of chains: a tree for terminals, mermaid for pages, SVG for the rest. The output is deterministic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from ostiary_delivery.graph.chain import ByName, is_open, waits_for
from ostiary_delivery.graph.layout import BOX, Point, layout

MARKS: Final = {"done": "✓", "ready": "●", "waiting": "○", "missing": "?"}
LETTER: Final = 7.4  # pixels of a letter, about
STYLE: Final = (
    "text{font:13px sans-serif;fill:#111}rect{stroke:#444;rx:6px}path{fill:none;stroke:#666;marker-end:url(#a)}"
    ".tip{fill:#666;stroke:none;marker-end:none}rect.ground{fill:#fff;stroke:none;rx:0}"
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
    """Yield the lines of a tree. The second mention of a card only names it."""
    drawn: set[str] = set()
    for root in roots:
        yield _label(cards, root, seen=False)
        yield from _below(cards, root, "", above=(root,), drawn=drawn, everything=everything)


def _below(
    cards: ByName, name: str, indent: str, *, above: tuple[str, ...], drawn: set[str], everything: bool
) -> Iterator[str]:
    drawn.add(name)
    required = cards[name].requires if name in cards else ()
    shown = [one for one in required if everything or is_open(cards, one)]
    for number, one in enumerate(shown, 1):
        last = number == len(shown)
        turn = "└─ " if last else "├─ "
        if one in above:
            yield f"{indent}{turn}↺ {one}: a cycle"
            continue
        yield indent + turn + _label(cards, one, seen=one in drawn)
        if one not in drawn:
            deeper = indent + ("   " if last else "│  ")
            yield from _below(cards, one, deeper, above=(*above, one), drawn=drawn, everything=everything)


def _label(cards: ByName, name: str, *, seen: bool) -> str:
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
    """Return an SVG, from left to right: requirements first, goals last."""
    widths = {name: len(_title(cards, name)) * LETTER + 40 for name in names}
    placed = layout(names, _links(cards, names), widths)
    body = [f'<path d="{_path(line)}"/>' for line in placed.lines]
    for name in names:
        box = placed.boxes[name]
        how = state(cards, name)
        label = escape(f"{MARKS[how]} {_title(cards, name)}")
        body.append(
            f'<g class="{how}"><title>{escape(name)}: {how}</title>'
            f'<rect x="{box.left:.0f}" y="{box.top:.0f}" width="{box.width:.0f}" height="{BOX:.0f}"/>'
            f'<text x="{box.left + box.width / 2:.0f}" y="{box.top + 25:.0f}" text-anchor="middle">{label}</text></g>'
        )
    width, height = placed.width, placed.height
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img"><title>What comes before what</title>'
    arrow = '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    tip = '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
    ground = '<rect class="ground" width="100%" height="100%"/>'
    return "\n".join([head, f"<style>{STYLE}</style>{arrow}{tip}{ground}", *body, "</svg>"]) + "\n"


def _path(line: Sequence[Point]) -> str:
    """Return an SVG path: curves between columns, straight through them."""
    (x, y), *rest = line
    commands = [f"M{x:.0f} {y:.0f}"]
    for number, (to_x, to_y) in enumerate(rest):
        bend = (x + to_x) / 2
        curve = f"C{bend:.0f} {y:.0f} {bend:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
        commands.append(f"L{to_x:.0f} {to_y:.0f}" if number % 2 else curve)
        x, y = to_x, to_y
    return "".join(commands)


def _title(cards: ByName, name: str) -> str:
    return cards[name].title if name in cards else f"{name}: missing"


def _links(cards: ByName, names: Sequence[str]) -> list[tuple[str, str]]:
    known = set(names)
    return [(name, one) for name in names if name in cards for one in cards[name].requires if one in known]
