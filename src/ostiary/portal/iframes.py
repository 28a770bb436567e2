"""The page that lets the browser tell applications of a sign-out (OpenID Connect Front-Channel Logout 1.0).

Every application is a hidden iframe; the page may frame exactly their origins. It goes on by itself when all have
loaded, without JavaScript after some seconds, and whether they have answered or not: none may hold up a sign-out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ostiary.flows.logout.logout import LOADED
from ostiary.portal.redirects import MARK
from ostiary.proto.oauth2.authorization.redirect import origin
from ostiary.web.asgi import CSP
from ostiary.web.request import Request

COMPONENT: Final = "ak-provider-iframe-logout"
SECONDS: Final = 3  # until the page goes on


def page_fields(fields: Mapping[str, object], request: Request) -> dict[str, object]:
    """Return what the template needs: the addresses to load, and the one to go on to."""
    return {"frames": addresses(fields), "onward": _onward(request), "seconds": SECONDS}


def frames_policy(fields: Mapping[str, object]) -> str:
    """Return the content security policy of the page."""
    origins = dict.fromkeys(one for url in addresses(fields) if (one := origin(url)) is not None)
    return f"{CSP}; frame-src {' '.join(origins)}" if origins else CSP


def addresses(fields: Mapping[str, object]) -> list[str]:
    """Return the addresses of a challenge that a page may load."""
    found = fields.get("logout_urls")
    entries = [one for one in found if isinstance(one, Mapping)] if isinstance(found, Sequence) else []
    return [url for one in entries if isinstance(url := one.get("url"), str) and origin(url) is not None]


def _onward(request: Request) -> str:
    pairs = [pair for pair in parse_qsl(request.query, keep_blank_values=True) if pair[0] not in {MARK, LOADED}]
    return f"{request.prefix}{request.path}?{urlencode([*pairs, (LOADED, '1')])}"
