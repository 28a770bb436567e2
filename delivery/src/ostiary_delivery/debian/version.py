"""Versions of Debian packages and their order (Debian Policy 5.6.12)."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import Final

_RUN: Final = re.compile(r"(\D*)(\d*)")
_UPSTREAM: Final = re.compile(r"^(?:\d+:)?(.*?)(?:-[^-]*)?$")
_REPACKED: Final = re.compile(r"[+~](?:dfsg|ds|repack)\S*$")


def compare(left: str, right: str) -> int:
    """Return a negative number, zero or a positive one, as `left` is earlier than, equal to or later than `right`."""
    for one, other in zip(_split(left), _split(right), strict=True):
        order = _compare_part(one, other)
        if order:
            return order
    return 0


def satisfies(version: str, relation: str, bound: str) -> bool:
    """Return whether a version stands in a relation (<<, <=, =, >=, >>) to another."""
    order = compare(version, bound)
    return {"<<": order < 0, "<=": order <= 0, "=": order == 0, ">=": order >= 0, ">>": order > 0}[relation]


def upstream(version: str) -> str:
    """Return the version its authors gave: without epoch, Debian revision and +dfsg."""
    match = _UPSTREAM.match(version)
    return _REPACKED.sub("", match[1] if match else version)


def _split(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    main, dash, revision = rest.rpartition("-")
    return (epoch, main, revision) if dash else (epoch, rest, "0")


def _compare_part(left: str, right: str) -> int:
    for (word, number), (other_word, other_number) in zip_longest(
        _RUN.findall(left), _RUN.findall(right), fillvalue=("", "")
    ):
        by_word = [_weight(one) for one in word] + [0], [_weight(one) for one in other_word] + [0]
        if by_word[0] != by_word[1]:
            return -1 if by_word[0] < by_word[1] else 1
        by_number = int(number or 0) - int(other_number or 0)
        if by_number:
            return by_number
    return 0


def _weight(letter: str) -> int:
    """A tilde sorts before the end, the end before letters, letters before everything else."""
    if letter == "~":
        return -1
    return ord(letter) if letter.isalpha() else ord(letter) + 256
