"""Texts that were filled in before they reached the page, such as "You have left Grafana": told in another language.

The engine and protocols fill names into titles and headers. A page cannot look such a text up in a catalog, so the
few that we ship are recognised by their source text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

FILLED: Final = (
    "On the way to %(app)s",
    "You have left %(app)s",
    "You're about to sign in to %(app)s.",
    "%(app)s would like to know who you are.",
    "%(app)s wants to sign you in on another device.",
    "The password must have at least %(number)s characters.",
    "You are not allowed to change this: %(field)s",
)
_PLACE: Final = re.compile(r"%\([a-z]+\)s")


def retell(text: str, translate: Callable[[str], str]) -> str:
    """Return the text translated: looked up as it is, else as one of the filled texts; else as it is."""
    told = translate(text)
    if told != text:
        return told
    for source in FILLED:
        found = _pattern(source).fullmatch(text)
        if found is not None:
            before, after = _PLACE.split(translate(source))
            return f"{before}{found[1]}{after}"
    return text


@cache
def _pattern(source: str) -> re.Pattern[str]:
    before, after = _PLACE.split(source)
    return re.compile(f"{re.escape(before)}(.+){re.escape(after)}", re.DOTALL)
