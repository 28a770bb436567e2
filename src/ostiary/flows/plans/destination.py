"""The destination of a flow, and its part in the URL of the flow's page.

The URL carries the destination as `next`, as authentik's does. A reload, a lost cookie or an expired plan then restart
the flow with the same destination, and tabs with different destinations have separate plans. For a very long
destination the URL has only its hash.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.flows.next_url import is_relative, query_value

MAX_NEXT_LENGTH: Final = 3_000
"""Characters. By default, proxies accept 4,096 bytes of response headers, so a longer destination is only hashed."""
NAMED: Final = "destination"
FLOW_TOKEN: Final = "flow_token"  # noqa: S105 - the name of a parameter
"""The query parameter with the key of a link, see `flows.links`."""

FLOW_PAGES: Final = "/if/flow/"
"""The path of flow pages, below our prefix."""

_KEY: Final = re.compile(r"[0-9a-f]{32}")

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan


def destination(plan: Plan, query: str, home: str) -> str | None:
    """Return the redirect of the plan, else `next` of the query, else home. None if `next` is not a path of ours."""
    redirect = plan.context.get("redirect")
    if isinstance(redirect, str) and redirect:
        return redirect
    following = query_value(query, "next")
    if following and not is_relative(following):
        return None
    return following or plan.next_url or home


def next_path(plan: Plan, query: str) -> str | None:
    """Return our path in `next`, else that of the plan's start."""
    following = query_value(query, "next") or plan.next_url
    return following if following and is_relative(following) else None


def destination_key(next_url: str | None) -> str:
    """Return the hash that identifies a destination among the plans of a session: 32 hex digits, "" for none."""
    return hashlib.sha256(next_url.encode("utf-8", "surrogatepass")).hexdigest()[:32] if next_url else ""


def page_key(query: str) -> str:
    """Return the destination key from the query of a flow's page.

    The page of a link has its own key, so that its plan is separate from those of other tabs.
    """
    link = query_value(query, FLOW_TOKEN)
    if link:
        return destination_key(f"{FLOW_TOKEN}={link}")
    following = query_value(query, "next")
    named = query_value(query, NAMED) or ""
    return destination_key(following) if following else named if _KEY.fullmatch(named) else ""


def flow_page(prefix: str, slug: str, query: str = "") -> str:
    """Return the URL of a flow's page. Only this function builds it. `prefix` is a path, or includes our origin."""
    return f"{prefix}{FLOW_PAGES}{slug}/" + (f"?{query}" if query else "")


def page_address(prefix: str, slug: str, next_url: str = "", *, display: str = "") -> str:
    """Return the path of a flow's page with destination `next_url` and the given `display` (OpenID Connect)."""
    pairs = [f"next={quote(next_url, safe='/')}"] if next_url else []
    if pairs and len(pairs[0]) > MAX_NEXT_LENGTH:
        pairs = [f"{NAMED}={destination_key(next_url)}"]
    if display:
        pairs.append(f"display={quote(display, safe='')}")
    return flow_page(prefix, slug, "&".join(pairs))
