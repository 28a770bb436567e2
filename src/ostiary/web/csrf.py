"""Protection against cross-site requests: form tokens bound to session and purpose, and the origin of a request."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import urlsplit

from ostiary.proto.authority import canonical
from ostiary.web.request import Request


def form_token(session_key: bytes, purpose: str, key: bytes) -> str:
    """Return the CSRF token for a purpose in a session (HMAC-SHA256, base64url)."""
    message = len(session_key).to_bytes(2, "big") + session_key + purpose.encode("utf-8")
    digest = hmac.new(key, b"ostiary form token\0" + message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def is_form_token(token: str, session_key: bytes, purpose: str, key: bytes) -> bool:
    """Return whether a token is the one of `form_token` for this session and purpose."""
    expected = form_token(session_key, purpose, key)
    # guard: A40 a form requires the token of its session
    return hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode("ascii"))


def is_cross_site(request: Request) -> bool:
    """Return whether another site navigated, or may have navigated, the browser here. Programs do not count.

    The result is that of Sec-Fetch-Site, which browsers send to secure origins; without it, that of Referer, which our
    own pages send (`referrer-policy: same-origin`). A browser that sends neither may come from any site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    referer = request.headers.get("referer")
    if referer is None:
        return "text/html" in request.headers.get("accept", "")
    try:
        sender = urlsplit(referer)
        return canonical(sender.netloc, sender.scheme) != request.host
    except ValueError:
        return True


def same_origin(request: Request) -> bool:
    """Return whether a request comes from our own pages, or from a client that is no browser.

    Browsers send Sec-Fetch-Site to secure origins, and Origin with every POST; programs send neither. Only host and
    port of Origin are compared: behind a proxy that terminates TLS the scheme may be unknown, and current browsers
    report a change of scheme in Sec-Fetch-Site.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        sender = urlsplit(origin)
        # guard: A40 another site cannot submit to a flow
        return sender.scheme in {"http", "https"} and canonical(sender.netloc, sender.scheme) == request.host
    except ValueError:
        return False
