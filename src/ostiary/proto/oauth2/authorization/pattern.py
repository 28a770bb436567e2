"""Regular expressions for redirect URIs, in Python's syntax, matched in linear time.

`re` backtracks: for `(a+)+$` the number of attempts grows exponentially with the text, which the sender chooses. Here
the pattern becomes a nondeterministic finite automaton (Thompson's construction), and all its states are followed at
once. Sets of states are cached, so that most characters cost one look-up. What no automaton can match (references to
groups, look-around, word boundaries, possessive repeats) is refused.

Texts are visible ASCII: `redirect.is_safe_redirect_uri` refuses everything else. Positions of a text may be *fixed*: a
wildcard in the middle of a pattern does not match the character there. So `https://.*[.]good[.]example/cb` does not
match an address of another host that has the rest of the pattern in its path.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

MAX_LENGTH: Final = 1_024  # characters of a pattern
MAX_STATES: Final = 1_000  # of an automaton; only nested repetitions need more
MAX_CACHED_STEPS: Final = 2_000  # of an automaton

# The parser of `re` itself: a parser of our own could read a pattern differently.
_parser: Final[Any] = importlib.import_module("re._parser")
_names: Final[Any] = importlib.import_module("re._constants")
_CHARACTERS: Final = "".join(chr(number) for number in range(0x21, 0x7F))
_ANY: Final = frozenset(_CHARACTERS)
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": frozenset("0123456789"),
    "CATEGORY_SPACE": frozenset(),
    "CATEGORY_WORD": frozenset(letter for letter in _CHARACTERS if letter.isalnum() or letter == "_"),
}
_BEGIN: Final = frozenset({"AT_BEGINNING", "AT_BEGINNING_STRING"})
_DELIMITERS: Final = frozenset("/?:")  # they end the scheme and the host of an address
_END: Final = frozenset({"AT_END", "AT_END_STRING"})


class BadPattern(ValueError):
    """An unusable pattern. The message says what was expected."""


class RedirectPattern:
    """A compiled pattern."""

    __slots__ = ("_automaton", "_start", "_steps")

    def __init__(self, text: str) -> None:
        """Compile a regular expression. Raises BadPattern."""
        self._automaton: Final = _compile(text)
        self._start: Final = self._automaton.closure([self._automaton.start], begin=True)
        self._steps: Final[dict[tuple[frozenset[int], str, bool], frozenset[int]]] = {}

    def fullmatch(self, text: str, *, fixed: Collection[int] = ()) -> bool:
        """Return whether the whole text matches. The time is at most characters times states.

        A character at one of the indexes in `fixed` is matched by an item that names delimiters only, such as "/" or
        "[/?]", or by one that may end the pattern, such as the last ".*": never by a "." or "[^x]" in its middle.
        """
        states = self._start
        for index, character in enumerate(text):
            is_fixed = index in fixed
            following = self._steps.get((states, character, is_fixed))
            if following is None:
                following = self._automaton.step(states, character, fixed=is_fixed)
                # guard: A68 the cache of a pattern is bounded
                if len(self._steps) >= MAX_CACHED_STEPS:
                    self._steps.clear()
                self._steps[states, character, is_fixed] = following
            if not following:
                return False
            states = following
        return self._automaton.accepts(states, begin=not text)


@functools.lru_cache(maxsize=512)
def pattern(text: str) -> RedirectPattern:
    """Return the compiled pattern, which is cached. Raises BadPattern."""
    return RedirectPattern(text)


class _Automaton:
    """States, their transitions by a character, and their transitions without one (epsilon)."""

    def __init__(self) -> None:
        self.start = 0
        self.transitions: list[tuple[frozenset[str], int] | None] = [None]  # state 0 accepts
        self.epsilon: list[list[int]] = [[]]
        self.at_begin: dict[int, int] = {}
        self.at_end: dict[int, int] = {}

    def add_state(self, *, transition: tuple[frozenset[str], int] | None = None, epsilon: Iterable[int] = ()) -> int:
        # guard: A04 the states of a pattern are bounded
        if len(self.epsilon) >= MAX_STATES:
            raise BadPattern("expected a simpler regular expression, this one repeats too much")
        self.transitions.append(transition)
        self.epsilon.append(list(epsilon))
        return len(self.epsilon) - 1

    def closure(self, states: Iterable[int], *, begin: bool = False, end: bool = False) -> frozenset[int]:
        """Return the states that are reached without a character."""
        reached: set[int] = set()
        todo = list(states)
        while todo:
            state = todo.pop()
            if state in reached:
                continue
            reached.add(state)
            todo.extend(self.epsilon[state])
            if begin and state in self.at_begin:
                todo.append(self.at_begin[state])
            if end and state in self.at_end:
                todo.append(self.at_end[state])
        return frozenset(reached)

    def step(self, states: frozenset[int], character: str, *, fixed: bool = False) -> frozenset[int]:
        edges = [edge for state in states if (edge := self.transitions[state]) is not None and character in edge[0]]
        if fixed:
            edges = [
                edge for edge in edges if edge[0] <= _DELIMITERS or self.accepts(frozenset({edge[1]}), begin=False)
            ]
        return self.closure([edge[1] for edge in edges])

    def accepts(self, states: frozenset[int], *, begin: bool) -> bool:
        return 0 in self.closure(states, begin=begin, end=True)


def _compile(text: str) -> _Automaton:
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"expected a regular expression of at most {MAX_LENGTH} characters")
    try:
        re.compile(text)
        tree = _parser.parse(text)
        automaton = _Automaton()
        automaton.start = _sequence(automaton, tree.data, 0, tree.state.flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"expected a regular expression ({error})") from error
    return automaton


def _sequence(automaton: _Automaton, items: Sequence[Any], following: int, flags: int) -> int:
    """Add items and return their first state. The last one is added first: each needs the state that follows it."""
    for operator, value in reversed(items):
        following = _item(automaton, str(operator), value, following, flags)
    return following


def _item(automaton: _Automaton, operator: str, value: Any, following: int, flags: int) -> int:
    match operator:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return automaton.add_state(transition=(_characters(operator, value, flags), following))
        case "BRANCH":
            return automaton.add_state(
                epsilon=[_sequence(automaton, branch.data, following, flags) for branch in value[1]]
            )
        case "SUBPATTERN":
            _, added, removed, inner = value
            return _sequence(automaton, inner.data, following, (flags | added) & ~removed)
        case "MAX_REPEAT" | "MIN_REPEAT":
            return _repeat(automaton, value, following, flags)
        case "AT" if str(value) in _BEGIN:
            state = automaton.add_state()
            automaton.at_begin[state] = following
            return state
        case "AT" if str(value) in _END:
            state = automaton.add_state()
            automaton.at_end[state] = following
            return state
    raise BadPattern("expected a regular expression without references, look-around, boundaries and possessive repeats")


def _repeat(automaton: _Automaton, value: Any, following: int, flags: int) -> int:
    least, most, inner = value
    begin = following
    if most is _names.MAXREPEAT:
        begin = automaton.add_state(epsilon=[following])
        automaton.epsilon[begin].append(_sequence(automaton, inner.data, begin, flags))
    else:
        for _ in range(most - least):  # each adds a state, and states are bounded
            begin = automaton.add_state(epsilon=[following, _sequence(automaton, inner.data, begin, flags)])
    for _ in range(least):
        previous, begin = begin, _sequence(automaton, inner.data, begin, flags)
        if previous == begin:
            break  # an empty item
    return begin


def _characters(operator: str, value: Any, flags: int) -> frozenset[str]:
    """Return the characters that match one item."""
    if operator == "ANY":
        return _ANY
    items = value if operator == "IN" else [(_names.LITERAL, value)]
    matched: set[str] = set()
    for name, argument in items:
        matched |= _characters_of(str(name), argument)
    if flags & re.IGNORECASE:
        matched |= {letter for letter in _CHARACTERS if letter.lower() in matched or letter.upper() in matched}
    negated = operator == "NOT_LITERAL" or any(str(name) == "NEGATE" for name, _ in items)
    return _ANY - matched if negated else frozenset(matched)


def _characters_of(name: str, argument: Any) -> frozenset[str]:
    match name:
        case "LITERAL":
            return frozenset({chr(argument)}) & _ANY
        case "RANGE":
            low, high = argument
            return frozenset(letter for letter in _CHARACTERS if low <= ord(letter) <= high)
        case "CATEGORY":
            category = str(argument)
            members = _CATEGORIES[category.replace("NOT_", "")]
            return _ANY - members if "NOT_" in category else members
        case _:
            return frozenset()
