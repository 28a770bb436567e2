"""Where a browser may be sent, and how.

Browsers apply `form-action 'self'` to the whole chain of redirects that follows a POST (seen in Chromium 156): a chain
that ends on another origin is blocked. So a POST is answered 303 to a GET of our own that carries a mark. What ends a
flow, a POST or a marked GET, redirects only to pages that stay here; for anything else it is answered by a page with a
link and a refresh, which begins a chain of its own.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from ostiary.flows.challenge_page import MARK
from ostiary.flows.next_url import is_relative
from ostiary.flows.plans.destination import FLOW_PAGES
from ostiary.web.request import Request

NEXT: Final = "next"  # the form was taken
AGAIN: Final = "again"  # the form was too old, or cookies are off
_ENDING_HERE: Final = ("/if/user/", "/if/admin/")


def marked(path: str, query: str, mark: str, *, without: tuple[str, ...] = ()) -> str:
    """Return the path with its query and the mark, a former mark and the parameters `without` taken out."""
    dropped = {MARK, *without}
    pairs = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in dropped]
    return f"{path}?{urlencode([*pairs, (MARK, mark)])}"


def stays_here(to: str, request: Request) -> str | None:
    """Return the path to redirect a marked GET to, or None when the chain could end on another origin."""
    if not is_relative(to):
        return None
    path, _, query = to.partition("?")
    inside = path.removeprefix(request.prefix) if path.startswith(request.prefix + "/") else ""
    if inside.startswith(_ENDING_HERE):
        return to
    if inside == "/" or inside.startswith(FLOW_PAGES):
        return marked(path, query.partition("#")[0], NEXT)
    return None


def host_of(to: str) -> str:
    """Return the host a page names as the place one goes to, "" for a path of ours or another scheme."""
    try:
        return urlsplit(to).hostname or ""
    except ValueError:
        return ""
