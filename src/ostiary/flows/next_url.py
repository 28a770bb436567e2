"""Validation of `next`: the redirect at the end of a flow goes to a path of ours, never to another origin."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlsplit

_MAX_LENGTH: Final = 32_768  # characters; an authorization request with long state and nonce
_NEVER: Final = frozenset({"javascript", "data", "vbscript", "blob", "file", "about", "view-source"})
_SPACES: Final = re.compile(r"[\x00-\x20]")
_CONTROLS: Final = re.compile(r"[\x00-\x20\x7f]")


def is_relative(url: str) -> bool:
    """Return whether every browser takes the URL as a path on our own origin.

    Not allowed: an origin or scheme, "//host", a backslash (browsers read it as a slash), control characters and
    spaces (browsers remove them before parsing).
    """
    if not url.startswith("/") or url.startswith("//") or len(url) > _MAX_LENGTH or "\\" in url:
        return False
    if _CONTROLS.search(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc


def is_safe_destination(to: str) -> bool:
    """Return whether a browser may be redirected there: a path of ours, or a URL whose scheme runs no code."""
    if is_relative(to):
        return True
    try:
        scheme = urlsplit(to).scheme
    except ValueError:
        return False
    return bool(scheme) and scheme not in _NEVER and not _SPACES.search(to)


def query_value(query: str, name: str) -> str | None:
    """Return the first value of a parameter of the original query string."""
    if not query:
        return None
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)
