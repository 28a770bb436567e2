"""The address of a link: that of the flow's page, with a key that opens an account and therefore goes nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from ostiary.flows.next_url import is_relative, query_value
from ostiary.flows.plans.destination import FLOW_TOKEN, flow_page

if TYPE_CHECKING:
    from ostiary.web.request import Request
    from ostiary.web.response import Response


def link_address(base: str, slug: str, key: str, query: str) -> str:
    """Return the address of a link: the flow's page with the key, and of the page's query nothing but `next`.

    `base` is our origin with the prefix.
    """
    following = query_value(query, "next")
    onward = f"&next={quote(following, safe='/')}" if following and is_relative(following) else ""
    return flow_page(base, slug, f"{FLOW_TOKEN}={quote(key, safe='')}{onward}")


def without_link(query: str) -> str:
    """Return the query of a page for the address of another page: the key of a link is not handed on."""
    return "&".join(one for one in query.split("&") if unquote_plus(one.partition("=")[0]) != FLOW_TOKEN)


def hide_address(request: Request, response: Response) -> None:
    """Keep the address of a link out of every Referer header, also our own pages': proxies log that header.

    The site calls this for every response, errors as well.
    """
    # guard: A73 no request tells where a link by mail was opened
    if FLOW_TOKEN in unquote_plus(request.query) and response.header("referrer-policy") is None:
        response.headers.append(("referrer-policy", "strict-origin"))
