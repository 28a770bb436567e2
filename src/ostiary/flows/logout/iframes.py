"""The page that lets the browser tell applications of a sign-out (OpenID Connect Front-Channel Logout 1.0).

Every application is a hidden iframe; the page may frame exactly their origins. It goes on by itself when all have
loaded, without JavaScript after some seconds, and whether they have answered or not: none may hold up a sign-out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.flows.challenge_page import ChallengePage
from ostiary.proto.oauth2.authorization.redirect import origin
from ostiary.web.asgi import CSP

if TYPE_CHECKING:
    from ostiary.flows.challenge_page import PageContext

LOADED: Final = "logged_out"
"""The parameter with which the page leads on."""
SECONDS: Final = 3  # until the page goes on


def _values(page: PageContext) -> Mapping[str, object]:
    onward = page.address(without=(LOADED,), add=((LOADED, "1"),))
    return {"frames": addresses(page.fields), "onward": onward, "seconds": SECONDS}


def frames_policy(fields: Mapping[str, object]) -> str:
    """Return the content security policy of the page."""
    origins = dict.fromkeys(one for url in addresses(fields) if (one := origin(url)) is not None)
    return f"{CSP}; frame-src {' '.join(origins)}" if origins else CSP


def addresses(fields: Mapping[str, object]) -> list[str]:
    """Return the addresses of a challenge that a page may load."""
    urls = fields.get("logout_urls")
    entries = [one for one in urls if isinstance(one, Mapping)] if isinstance(urls, Sequence) else []
    return [url for one in entries if isinstance(url := one.get("url"), str) and origin(url) is not None]


PAGE: Final = ChallengePage(template="stages/iframe_logout.html", values=_values, policy=frames_policy)
