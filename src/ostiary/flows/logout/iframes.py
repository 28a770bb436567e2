"""The page of front-channel logout (OpenID Connect Front-Channel Logout 1.0).

It has a hidden iframe for each application, and may frame only their origins. It continues when all have loaded, and
after some seconds in any case, so that no application can block a logout.
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
"""The query parameter with which the page continues."""
SECONDS: Final = 3  # until the page goes on


def _values(page: PageContext) -> Mapping[str, object]:
    onward = page.address(without=(LOADED,), add=((LOADED, "1"),))
    return {"frames": addresses(page.fields), "onward": onward, "seconds": SECONDS}


def frames_policy(fields: Mapping[str, object]) -> str:
    """Return the content security policy of the page."""
    origins = dict.fromkeys(one for url in addresses(fields) if (one := origin(url)) is not None)
    return f"{CSP}; frame-src {' '.join(origins)}" if origins else CSP


def addresses(fields: Mapping[str, object]) -> list[str]:
    """Return the URLs of a challenge that the page may load."""
    urls = fields.get("logout_urls")
    entries = [one for one in urls if isinstance(one, Mapping)] if isinstance(urls, Sequence) else []
    return [url for one in entries if isinstance(url := one.get("url"), str) and origin(url) is not None]


PAGE: Final = ChallengePage(template="stages/iframe_logout.html", values=_values, policy=frames_policy)
