"""Where a flow leads when it ends, and how the address of its page says so.

The address carries the destination as `next`, as authentik's does: a reload, a lost cookie or an expired plan start
again towards the same place, and two tabs that lead to different places have plans of their own. A very long one is
only named there; its plan knows it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ostiary.flows.next_url import is_relative, query_value

NEXT_MOST: Final = 3_000
"""Characters. Proxies take 4,096 bytes of answer headers as they come: what is longer is only named in the address."""
NAMED: Final = "destination"
FLOW_TOKEN: Final = "flow_token"  # noqa: S105 - the name of a parameter
"""The parameter that holds the key of a link, see `flows.links`."""

FLOW_PAGES: Final = "/if/flow/"
"""Where the pages of flows lie, below our prefix."""

_KEY: Final = re.compile(r"[0-9a-f]{32}")

if TYPE_CHECKING:
    from ostiary.flows.plans.plan import Plan


def destination(plan: Plan, query: str, home: str) -> str | None:
    """Return the plan's own redirect, else `next` of the page's query, else home. None when `next` is not ours."""
    redirect = plan.context.get("redirect")
    if isinstance(redirect, str) and redirect:
        return redirect
    following = query_value(query, "next")
    if following and not is_relative(following):
        return None
    return following or plan.next_url or home


def following_of(plan: Plan, query: str) -> str | None:
    """Return the path of ours that was asked for by `next`, or that the plan was begun with."""
    following = query_value(query, "next") or plan.next_url
    return following if following and is_relative(following) else None


def destination_key(next_url: str | None) -> str:
    """Return what names a destination among the plans of a session: 32 hexadecimal digits, "" for none."""
    return hashlib.sha256(next_url.encode("utf-8", "surrogatepass")).hexdigest()[:32] if next_url else ""


def key_of_page(query: str) -> str:
    """Return the destination's name from the query of a flow's page.

    The page of a link has a name of its own, so that it has a plan of its own beside those of other tabs.
    """
    link = query_value(query, FLOW_TOKEN)
    if link:
        return destination_key(f"{FLOW_TOKEN}={link}")
    following = query_value(query, "next")
    named = query_value(query, NAMED) or ""
    return destination_key(following) if following else named if _KEY.fullmatch(named) else ""


def flow_page(prefix: str, slug: str, query: str = "") -> str:
    """Return the address of a flow's page: the only place that writes it. `prefix` is a path, or with our origin."""
    return f"{prefix}{FLOW_PAGES}{slug}/" + (f"?{query}" if query else "")


def page_address(prefix: str, slug: str, next_url: str = "", *, display: str = "") -> str:
    """Return the path of a flow's page that leads to `next_url`, in the form (OpenID Connect's `display`) asked for."""
    pairs = [f"next={quote(next_url, safe='/')}"] if next_url else []
    if pairs and len(pairs[0]) > NEXT_MOST:
        pairs = [f"{NAMED}={destination_key(next_url)}"]
    if display:
        pairs.append(f"display={quote(display, safe='')}")
    return flow_page(prefix, slug, "&".join(pairs))
