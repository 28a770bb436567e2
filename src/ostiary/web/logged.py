"""Request paths for the log, without secrets such as the key of a recovery link.

The values of the parameters in `NAMED` are logged; other values are replaced by the parameter's name. In a path without
a route, long segments are omitted, because it may be a misspelled path with a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NAMED: Final = frozenset({"slug", "uuid", "stage_uuid", "name"})
"""Route parameters whose values are not secret."""
MAX_SEGMENT_LENGTH: Final = 36  # characters: a UUID
_LEFT_OUT: Final = "{...}"


def logged_path(path: str, params: Mapping[str, str]) -> str:
    """Return the path of a request without secrets. `params` are the route's parameters by name."""
    if len(path) <= MAX_SEGMENT_LENGTH and not params:
        return path
    replacements = {value: value if name in NAMED else f"{{{name}}}" for name, value in params.items()}
    return "/".join(replacements.get(segment) or _short(segment) for segment in path.split("/"))


def _short(segment: str) -> str:
    return segment if len(segment) <= MAX_SEGMENT_LENGTH else _LEFT_OUT
