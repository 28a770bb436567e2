"""Goals, chains, ready leaves, missing cards and cycles, computed from cards. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

from ostiary_delivery.graph.cards import DONE, Card

ByName = Mapping[str, Card]


def is_open(cards: ByName, name: str) -> bool:
    """Return whether a card is open. A missing one is."""
    return name not in cards or cards[name].status != DONE


def goals(cards: ByName, *, everything: bool = False) -> list[str]:
    """Return the cards that no other card requires; only open ones unless `everything`. Each card is below a goal.

    A cycle without such a card is represented by its first card by name.
    """
    shown = [name for name in sorted(cards) if everything or is_open(cards, name)]
    required = {one for name in shown for one in cards[name].requires if one != name}
    roots = [name for name in shown if name not in required]
    reached = {one for name in roots for one in chain(cards, name)}
    for name in shown:
        if name not in reached:
            roots.append(name)
            reached.update(chain(cards, name))
    return sorted(roots)


def chain(cards: ByName, goal: str) -> list[str]:
    """Return a card and its direct and indirect requirements, missing ones too, nearest first."""
    reached = {goal: None}
    waiting = [goal]
    for name in waiting:
        for one in cards[name].requires if name in cards else ():
            if one not in reached:
                reached[one] = None
                waiting.append(one)
    return list(reached)


def ready(cards: ByName) -> list[str]:
    """Return the open cards without open requirements."""
    return [
        name
        for name in sorted(cards)
        if is_open(cards, name) and not any(is_open(cards, one) for one in cards[name].requires)
    ]


def waits_for(cards: ByName, name: str) -> list[str]:
    """Return the open requirements of a card."""
    return [one for one in cards[name].requires if is_open(cards, one)]


def missing(cards: ByName) -> list[tuple[str, str]]:
    """Return (card, requirement) for each requirement that is no card."""
    return [(name, one) for name in sorted(cards) for one in cards[name].requires if one not in cards]


def cycles(cards: ByName) -> list[tuple[str, ...]]:
    """Return cycles, each from its first name to what requires it again; breaking one link of each leaves none."""
    graph = {name: [one for one in cards[name].requires if one in cards] for name in sorted(cards)}
    cycles_found = []
    while (circle := _circle(graph)) is not None:
        graph[circle[0]].remove(circle[1])
        first = circle.index(min(circle))
        cycles_found.append((*circle[first:-1], *circle[:first], circle[first]))
    return sorted(cycles_found)


def problems(cards: ByName, *, folder: str) -> Iterator[str]:
    """Yield a message with file and line for each missing card and each cycle."""
    for name, one in missing(cards):
        yield f"{folder}/{name}.md:{cards[name].line}: there is no card {one}"
    for circle in cycles(cards):
        yield f"{folder}/{circle[0]}.md:{cards[circle[0]].line}: a cycle: {' requires '.join(circle)}"


def _circle(graph: Mapping[str, list[str]]) -> list[str] | None:
    """Return one cycle in the direction of requirements, its first name again at the end."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1][::-1]
        return circle
    return None
