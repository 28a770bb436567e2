"""Translating texts that names were filled into before they reached the page, such as "You have left Grafana".

The engine and protocols fill names into titles and headers. A page cannot look such a text up in a catalog, so the
few that we ship are recognised by their source text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final

SOURCES: Final = (
    "On the way to %(app)s",
    "You have left %(app)s",
    "You're about to sign in to %(app)s.",
    "%(app)s would like to know who you are.",
    "%(app)s wants to sign you in on another device.",
    "The password must have at least %(number)s characters.",
    "The password must have at least %(number)s digits.",
    "The password must have at least %(number)s capital letters.",
    "The password must have at least %(number)s small letters.",
    "The password must have at least %(number)s symbols.",
    "The password expired %(number)s days ago. Set a new one.",
    "At least %(number)s characters.",
    "At least %(number)s digits.",
    "At least %(number)s capital letters.",
    "At least %(number)s small letters.",
    "At least %(number)s symbols.",
    "This is not possible from network AS%(number)s.",
    "This is not possible from this country: %(country)s",
    "You are not allowed to change this: %(field)s",
)
_PLACE: Final = re.compile(r"%\([a-z]+\)s")


def translate_interpolated(text: str, translate: Callable[[str], str]) -> str:
    """Return the text translated: looked up as it is, else as one of `SOURCES`; else as it is."""
    translated = translate(text)
    if translated != text:
        return translated
    for source in SOURCES:
        match = _pattern(source).fullmatch(text)
        if match is not None:
            before, after = _PLACE.split(translate(source))
            return f"{before}{match[1]}{after}"
    return text


@cache
def _pattern(source: str) -> re.Pattern[str]:
    before, after = _PLACE.split(source)
    return re.compile(f"{re.escape(before)}(.+){re.escape(after)}", re.DOTALL)
