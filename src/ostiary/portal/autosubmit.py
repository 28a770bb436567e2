"""A page that posts itself to a place checked before (OAuth 2.0 Form Post Response Mode, SAML POST binding)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from ostiary.portal.look import Renderer
from ostiary.portal.redirects import host_of
from ostiary.web.asgi import CSP
from ostiary.web.request import Request
from ostiary.web.response import Response


def autosubmit_page(renderer: Renderer, request: Request, url: str, attrs: Mapping[str, str]) -> Response:
    """Answer a page that posts `attrs` to `url`; without JavaScript the person presses its button."""
    title = renderer.translator(request)("One moment")
    response = renderer.page(
        request, "stages/autosubmit.html", title=title, target=host_of(url), c={"url": url, "attrs": attrs}
    )
    response.headers.append(("content-security-policy", submit_policy(url)))
    return response


def submit_policy(url: str) -> str:
    """Return the content security policy of a page that may post to exactly this URL (its query is not part of it).

    Raises ValueError for a URL that is not http or https.
    """
    parts = urlsplit(url)
    # guard: A29 a self-submitting page posts to http and https only
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "a page posts only to http and https"
        raise ValueError(message)
    host = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    port = f":{parts.port}" if parts.port is not None else ""
    # ";" and "," end a source in the policy's grammar (CSP level 3, section 2.3.1).
    path = quote(parts.path, safe="/%:@!$&'()*+=~-._")
    # guard: A29 a self-submitting page allows only its own form target
    return CSP.replace("form-action 'self'", f"form-action {parts.scheme}://{host}{port}{path}")
