"""OpenID Connect Session Management: clients' pages can watch whether the user is still signed in.

The browser state is a cookie scripts of ours may read: a hash of the session's key, from which nobody comes back to
the key or the session's id. It changes whenever the session does. A client gets `session_state` with its answer, and
loads /application/o/{slug}/check-session/ in an iframe, which compares the two (section 3). Browsers that keep cookies
of other sites from iframes only let this work within one site.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from ostiary.proto.oauth2.authorization.redirect import origin
from ostiary.providers.oauth2.metadata.endpoints import find_client
from ostiary.store.hashing import new_token
from ostiary.web.response import Response, html, set_cookie

if TYPE_CHECKING:
    from ostiary.providers.oauth2.services import OAuth2Services
    from ostiary.sessions.cookie import CookieSettings
    from ostiary.sessions.sessions import Sessions
    from ostiary.web.request import Request

COOKIE: Final = "authentik_op_state"
_SALT_BITS: Final = 128

# Section 3.2: hash of client id, origin of the asking page, browser state and salt, joined by spaces.
_SCRIPT: Final = """\
addEventListener("message", async (event) => {
  if (typeof event.data !== "string" || !event.source || event.source === window) return;
  const reply = (text) => event.source.postMessage(text, event.origin);
  const parts = event.data.split(" ");
  const dot = parts.length === 2 ? parts[1].lastIndexOf(".") : -1;
  if (dot < 1 || !parts[0] || !window.crypto || !crypto.subtle) return reply("error");
  const salt = parts[1].slice(dot + 1);
  const name = "authentik_op_state=";
  const cookie = document.cookie.split("; ").find((one) => one.startsWith(name));
  const text = [parts[0], event.origin, cookie ? cookie.slice(name.length) : "", salt].join(" ");
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  const hex = Array.from(digest, (octet) => octet.toString(16).padStart(2, "0")).join("");
  reply(hex + "." + salt === parts[1] ? "unchanged" : "changed");
});
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode("ascii")
_PAGE: Final = f'<!doctype html>\n<meta charset="utf-8">\n<title>check session</title>\n<script>{_SCRIPT}</script>\n'


def browser_state(key: bytes) -> str:
    """Return the browser state for a session key; "" when nobody is signed in."""
    return hashlib.sha256(b"ostiary browser state\0" + key).hexdigest()


def session_state(client_id: str, redirect_uri: str, key: bytes, *, salt: str | None = None) -> str | None:
    """Return `session_state` for a response (section 2); None when the redirect URI has no web origin."""
    token_request = origin(redirect_uri)
    if token_request is None:
        return None
    salt = new_token(_SALT_BITS) if salt is None else salt
    text = f"{client_id} {token_request} {browser_state(key)} {salt}"
    return f"{hashlib.sha256(text.encode()).hexdigest()}.{salt}"


async def check_session(request: Request, services: OAuth2Services) -> Response:
    """Answer the page that clients load in an iframe. Only the client's own origins may frame it."""
    client = find_client(request, services)
    ancestors = " ".join(sorted(client.origins)) or "'none'"
    policy = f"default-src 'none'; script-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"
    response = html(_PAGE)
    response.headers.extend(
        [
            ("content-security-policy", f"{policy}; frame-ancestors {ancestors}"),
            # Browsers that know frame-ancestors do not look at it (CSP level 3, section 6.4.2); others show the page.
            ("x-frame-options", "ALLOWALL"),
            ("cache-control", "max-age=3600"),
        ]
    )
    return response


class BrowserState:
    """Keeps the browser state cookie in step with the session. The site calls `finish` with every response."""

    def __init__(self, sessions: Sessions, settings: CookieSettings) -> None:
        self._sessions = sessions
        self._settings = settings

    def finish(self, request: Request, response: Response) -> None:
        """Set or delete the cookie, if the request has read the session and the cookie differs."""
        if not self._sessions.was_read(request):
            return
        session = self._sessions.cached(request)
        expected = "" if session is None or session.user is None else browser_state(session.key)
        if request.cookies.get(COOKIE, "") == expected:
            return
        secure = request.scheme == "https"
        set_cookie(
            response,
            COOKIE,
            expected,
            max_age=None if expected else 0,
            path=self._settings.path,
            domain=self._settings.domain,
            secure=secure,
            http_only=False,
            same_site="None" if secure else "Lax",  # the iframe stands on another site's page
        )
