"""Patterns of addresses: Python's regular expressions, matched in a time that grows with the text alone.

`re` tries one way through a pattern after the other; for `(a+)+$` there are as many as stars in the sky, and whoever
sends the address chooses how many are tried. Here the pattern becomes an automaton, and all ways are followed at once
(Thompson's construction; the sets of places met on the way are kept, so that most characters cost one look-up). What
cannot be said by an automaton (references to groups, looking around, word boundaries, possessive repeats) is refused.

Texts are visible ASCII: nothing else reaches a pattern (see `redirect.is_safe`). Places of a text may be *fixed*: there
only a letter that the pattern names counts, or what ends it. So `https://.*[.]good[.]example/cb` does not match an
address of another host that has the rest of the pattern in its path.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

LONGEST: Final = 1_024  # characters of a pattern
MOST_PLACES: Final = 1_000  # of an automaton: what {1000} of a long group makes is more than anybody means
MOST_KEPT: Final = 2_000  # steps an automaton remembers

# The parser of `re` itself: a second reading of the same text could be another one.
_parser: Final[Any] = importlib.import_module("re._parser")
_names: Final[Any] = importlib.import_module("re._constants")
_LETTERS: Final = "".join(chr(number) for number in range(0x21, 0x7F))
_EVERY: Final = frozenset(_LETTERS)
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": frozenset("0123456789"),
    "CATEGORY_SPACE": frozenset(),
    "CATEGORY_WORD": frozenset(letter for letter in _LETTERS if letter.isalnum() or letter == "_"),
}
_BEGIN: Final = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING"})
_DELIMITERS: Final = frozenset("/?:")  # what the host of an address ends with, and its scheme
_END: Final = frozenset({"AT_END", "AT_END_STRING"})


class BadPattern(ValueError):
    """Not a pattern that can be used; the text says what was expected."""


class RedirectPattern:
    """One pattern, ready to match."""

    __slots__ = ("_kept", "_machine", "_start")

    def __init__(self, text: str) -> None:
        """Take a regular expression. Raises BadPattern."""
        self._machine: Final = _machine(text)
        self._start: Final = self._machine.reach([self._machine.start], begin=True)
        self._kept: Final[dict[tuple[frozenset[int], str, bool], frozenset[int]]] = {}

    def fullmatch(self, text: str, *, fixed: Collection[int] = ()) -> bool:
        """Tell whether the whole text matches. Time: at most characters times places.

        At the places of `fixed` a letter is matched by an item that says it, such as "/" or "[/?]", or by one that may
        end the pattern, such as the last ".*": never by a "." or "[^x]" in its middle.
        """
        at = self._start
        for index, letter in enumerate(text):
            bound = index in fixed
            following = self._kept.get((at, letter, bound))
            if following is None:
                following = self._machine.step(at, letter, bound=bound)
                # guard: A68 what a pattern remembers is bounded
                if len(self._kept) >= MOST_KEPT:
                    self._kept.clear()
                self._kept[at, letter, bound] = following
            if not following:
                return False
            at = following
        return self._machine.ends(at, begin=not text)


@functools.lru_cache(maxsize=512)
def pattern(text: str) -> RedirectPattern:
    """Return a pattern, made once. Raises BadPattern."""
    return RedirectPattern(text)


class _Machine:
    """Places, what letters lead from one to the next, and what leads on without a letter."""

    def __init__(self) -> None:
        self.start = 0
        self.letters: list[tuple[frozenset[str], int] | None] = [None]  # place 0 is the end
        self.free: list[list[int]] = [[]]
        self.at_begin: dict[int, int] = {}
        self.at_end: dict[int, int] = {}

    def place(self, *, letters: tuple[frozenset[str], int] | None = None, free: Iterable[int] = ()) -> int:
        # guard: A04 a pattern has no more places than anybody means
        if len(self.free) >= MOST_PLACES:
            raise BadPattern("expected a simpler regular expression, this one repeats too much")
        self.letters.append(letters)
        self.free.append(list(free))
        return len(self.free) - 1

    def reach(self, places: Iterable[int], *, begin: bool = False, end: bool = False) -> frozenset[int]:
        """Return the places that are reached without a letter."""
        found: set[int] = set()
        todo = list(places)
        while todo:
            one = todo.pop()
            if one in found:
                continue
            found.add(one)
            todo.extend(self.free[one])
            if begin and one in self.at_begin:
                todo.append(self.at_begin[one])
            if end and one in self.at_end:
                todo.append(self.at_end[one])
        return frozenset(found)

    def step(self, places: frozenset[int], letter: str, *, bound: bool = False) -> frozenset[int]:
        edges = [edge for one in places if (edge := self.letters[one]) is not None and letter in edge[0]]
        if bound:
            edges = [edge for edge in edges if edge[0] <= _DELIMITERS or self.ends(frozenset({edge[1]}), begin=False)]
        return self.reach([edge[1] for edge in edges])

    def ends(self, places: frozenset[int], *, begin: bool) -> bool:
        return 0 in self.reach(places, begin=begin, end=True)


def _machine(text: str) -> _Machine:
    if len(text) > LONGEST:
        raise BadPattern(f"expected a regular expression of at most {LONGEST} characters")
    try:
        re.compile(text)
        tree = _parser.parse(text)
        made = _Machine()
        made.start = _sequence(made, tree.data, 0, tree.state.flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"expected a regular expression ({error})") from error
    return made


def _sequence(made: _Machine, items: Sequence[Any], following: int, flags: int) -> int:
    """Add items, the last first, so that each knows what follows it; return where they begin."""
    for operator, value in reversed(items):
        following = _item(made, str(operator), value, following, flags)
    return following


def _item(made: _Machine, operator: str, value: Any, following: int, flags: int) -> int:
    match operator:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return made.place(letters=(_letters(operator, value, flags), following))
        case "BRANCH":
            return made.place(free=[_sequence(made, one.data, following, flags) for one in value[1]])
        case "SUBPATTERN":
            _, added, removed, inner = value
            return _sequence(made, inner.data, following, (flags | added) & ~removed)
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(made, value, following, flags)
        case "AT" if str(value) in _BEGIN:
            here = made.place()
            made.at_begin[here] = following
            return here
        case "AT" if str(value) in _END:
            here = made.place()
            made.at_end[here] = following
            return here
    raise BadPattern("expected a regular expression without references, look-around, boundaries and possessive repeats")


def _repeat(made: _Machine, value: Any, following: int, flags: int) -> int:
    least, most, inner = value
    begin = following
    if most is _names.MAXREPEAT:
        begin = made.place(free=[following])
        made.free[begin].append(_sequence(made, inner.data, begin, flags))
    else:
        for _ in range(most - least):  # each makes a place, of which there are not too many
            begin = made.place(free=[following, _sequence(made, inner.data, begin, flags)])
    for _ in range(least):
        before, begin = begin, _sequence(made, inner.data, begin, flags)
        if before == begin:
            break  # nothing, however often
    return begin


def _letters(operator: str, value: Any, flags: int) -> frozenset[str]:
    """Return the letters that match one item."""
    if operator == "ANY":
        return _EVERY
    items = value if operator == "IN" else [(_names.LITERAL, value)]
    found: set[str] = set()
    for name, one in items:
        found |= _some(str(name), one)
    if flags & re.IGNORECASE:
        found |= {letter for letter in _LETTERS if letter.lower() in found or letter.upper() in found}
    negated = operator == "NOT_LITERAL" or any(str(name) == "NEGATE" for name, _ in items)
    return _EVERY - found if negated else frozenset(found)


def _some(name: str, one: Any) -> frozenset[str]:
    match name:
        case "LITERAL":
            return frozenset({chr(one)}) & _EVERY
        case "RANGE":
            low, high = one
            return frozenset(letter for letter in _LETTERS if low <= ord(letter) <= high)
        case "CATEGORY":
            category = str(one)
            plain = _CATEGORIES[category.replace("NOT_", "")]
            return _EVERY - plain if "NOT_" in category else plain
        case _:
            return frozenset()
