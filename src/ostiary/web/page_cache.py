"""Pages kept as they were rendered, with slots for what differs from one showing to the next.

A sign-in shows the same few pages to everybody; only tickets, tokens and names differ. A page is rendered once with a
mark in each slot, cut at the marks, and put together with the escaped values from then on. Marks are random and of
this process, so no value can contain one, and a value that was put in is never looked at again.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from ostiary.resource import codec

PLATES: Final = 512  # pages kept; the one not used for the longest time goes
LONGEST: Final = 8_192  # characters of a page that is kept, and octets of what it was made of

_PREFIX: Final = secrets.token_hex(16)
_MARK: Final = re.compile(f"({_PREFIX}[a-z_]+[.])")

_Plate = tuple[str, ...]  # text, slot, text, slot ... text


class Placeholders:
    """The values of one page that are no part of its plate.

    A template must write such a value as it is ("{{ value }}") and may ask no more of it than whether it is empty.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def mark(self, name: str, value: str) -> str:
        """Return what stands in the template for the value; an empty one is no slot. `name`: letters a to z and "_"."""
        if not value:
            return ""
        mark = f"{_PREFIX}{name}."
        self.values[mark] = value
        return mark


class PageCache:
    """The plates of one process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, _Plate] = OrderedDict()

    def fill(
        self,
        name: Hashable,
        values: Mapping[str, object],
        slots: Placeholders,
        render: Callable[[Mapping[str, object]], str],
    ) -> str:
        """Return the page that `render` makes of the values, which are JSON data and texts without markup."""
        made_of = codec.encode(values)
        key = (name, made_of)
        cached_page = self._kept.get(key)
        if cached_page is None:
            text = render(values)
            cached_page = tuple(_MARK.split(text))
            if len(text) <= LONGEST and len(made_of) <= LONGEST:
                self._keep(key, cached_page)
        else:
            self._kept.move_to_end(key)
        return _filled(cached_page, slots.values)

    def _keep(self, key: Hashable, cached_page: _Plate) -> None:
        self._kept[key] = cached_page
        if len(self._kept) > PLATES:
            self._kept.popitem(last=False)


def _filled(cached_page: _Plate, values: Mapping[str, str]) -> str:
    from markupsafe import escape  # noqa: PLC0415 - comes with Jinja2

    made = {mark: str(escape(value)) for mark, value in values.items()}
    return "".join([made.get(part, part) for part in cached_page])
