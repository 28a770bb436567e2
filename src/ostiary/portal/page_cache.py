"""The page cache: rendered pages with placeholders for the values that differ between responses.

A sign-in shows the same few pages to everybody; only tickets, tokens and names differ. A page is rendered once, with
markers as placeholders. It is split at the markers, and for each response joined with the escaped values. The markers
are random in each process, so that no value can contain one, and values are not scanned for markers.
"""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from ostiary.resource import codec

MAX_PAGES: Final = 512  # cached pages; the least recently used one is evicted
MAX_PAGE_LENGTH: Final = 8_192  # characters of a page, and octets of its values; a longer page is not cached

_PREFIX: Final = secrets.token_hex(16)
_MARK: Final = re.compile(f"({_PREFIX}[a-z_]+[.])")

_Page = tuple[str, ...]  # text, marker, text, marker ... text


class Placeholders:
    """The values of a page that are not part of its cache entry.

    A template may only print such a value unchanged ("{{ value }}"), and test whether it is empty.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def mark(self, name: str, value: str) -> str:
        """Return the marker of a value, or "" for an empty value. `name` consists of the letters a to z and "_"."""
        if not value:
            return ""
        mark = f"{_PREFIX}{name}."
        self.values[mark] = value
        return mark


class PageCache:
    """The cached pages of one process."""

    def __init__(self) -> None:
        self._pages: OrderedDict[Hashable, _Page] = OrderedDict()

    def fill(
        self,
        name: Hashable,
        values: Mapping[str, object],
        placeholders: Placeholders,
        render: Callable[[Mapping[str, object]], str],
    ) -> str:
        """Return the page for `values`, which are plain JSON data. `render` is called if it is not cached."""
        encoded = codec.encode(values)
        key = (name, encoded)
        cached_page = self._pages.get(key)
        if cached_page is None:
            text = render(values)
            cached_page = tuple(_MARK.split(text))
            if len(text) <= MAX_PAGE_LENGTH and len(encoded) <= MAX_PAGE_LENGTH:
                self._keep(key, cached_page)
        else:
            self._pages.move_to_end(key)
        return _filled(cached_page, placeholders.values)

    def _keep(self, key: Hashable, cached_page: _Page) -> None:
        self._pages[key] = cached_page
        if len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)


def _filled(cached_page: _Page, values: Mapping[str, str]) -> str:
    from markupsafe import escape  # noqa: PLC0415 - comes with Jinja2

    escaped = {mark: str(escape(value)) for mark, value in values.items()}
    return "".join([escaped.get(part, part) for part in cached_page])
