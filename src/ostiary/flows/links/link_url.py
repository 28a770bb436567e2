"""The URL of a link: that of the flow's page, with a secret key that must not leak to other pages or sites."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from ostiary.flows.next_url import is_relative, query_value
from ostiary.flows.plans.destination import FLOW_TOKEN, flow_page

if TYPE_CHECKING:
    from ostiary.web.request import Request
    from ostiary.web.response import Response


def link_address(base: str, slug: str, key: str, query: str) -> str:
    """Return the URL of a link: the flow's page with the key, and only `next` of the page's query.

    `base` is our origin with the prefix.
    """
    following = query_value(query, "next")
    onward = f"&next={quote(following, safe='/')}" if following and is_relative(following) else ""
    return flow_page(base, slug, f"{FLOW_TOKEN}={quote(key, safe='')}{onward}")


def without_link(query: str) -> str:
    """Return the query of a page without the key of a link, for URLs of other pages."""
    return "&".join(one for one in query.split("&") if unquote_plus(one.partition("=")[0]) != FLOW_TOKEN)


def hide_address(request: Request, response: Response) -> None:
    """Prevent the URL of a link in any Referer header, also of our own pages, because proxies log that header.

    The site calls this for every response, including errors.
    """
    # guard: A73 no request tells where a link by mail was opened
    if FLOW_TOKEN in unquote_plus(request.query) and response.header("referrer-policy") is None:
        response.headers.append(("referrer-policy", "strict-origin"))
