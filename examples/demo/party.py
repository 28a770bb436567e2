"""A small relying party: an application that signs people in over OpenID Connect and shows what it learned.

Standard library, and joserfc to verify the ID token. It does what any careful application does: discovery, the
authorization code with PKCE (RFC 7636), state and nonce, signature and claims of the ID token, userinfo, and sign-out
at the provider. Everything it knows lives in memory.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import secrets
import time
from base64 import b64encode, urlsafe_b64encode
from http import HTTPStatus
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

COOKIE: Final = "demo_session"
PATIENCE: Final = 10  # seconds for an answer of the provider
SESSIONS_KEPT: Final = 1000
MOMENTS: Final = frozenset({"iat", "exp", "auth_time", "nbf"})

STYLE: Final = """
:root{color-scheme:light dark;--line:color-mix(in srgb,currentColor 18%,transparent)}
body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh}
main{width:min(44rem,calc(100vw - 2rem));padding:2rem 0}
h1{font-size:1.6rem;margin:0 0 .25rem} p{margin:.25rem 0 1.25rem;opacity:.8}
table{border-collapse:collapse;width:100%;margin:0 0 1.5rem;font-size:.95rem}
th,td{text-align:left;vertical-align:top;padding:.5rem .75rem .5rem 0;border-top:1px solid var(--line)}
th{font-weight:600;white-space:nowrap} td{overflow-wrap:anywhere}
a.button,button{font:inherit;display:inline-block;padding:.6rem 1.2rem;border-radius:.5rem;border:0;
background:#2356c7;color:#fff;text-decoration:none;cursor:pointer} a.button:focus-visible{outline:3px solid #f5b301}
"""


class Refused(Exception):
    """The sign-in did not work; the text is shown."""


class Provider:
    """What the application knows of its identity provider."""

    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self.issuer: Final = issuer
        self.client_id: Final = client_id
        self._secret: Final = client_secret

    def metadata(self) -> dict[str, Any]:
        """Return the discovery document (OpenID Connect Discovery, section 4)."""
        found = self._ask(Request(f"{self.issuer}.well-known/openid-configuration"))
        if found.get("issuer") != self.issuer:
            raise Refused("the discovery document belongs to another issuer")
        return found

    def redeem(self, code: str, *, verifier: str, redirect_uri: str) -> dict[str, Any]:
        """Exchange the code (OpenID Connect Core, section 3.1.3)."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        pair = f"{quote(self.client_id, safe='')}:{quote(self._secret, safe='')}"
        headers = {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        return self._ask(Request(self.metadata()["token_endpoint"], urlencode(form).encode(), headers))

    def verify(self, id_token: str, *, nonce: str) -> dict[str, Any]:
        """Return the claims of an ID token after every check of section 3.1.3.7 that concerns us."""
        try:
            keys = KeySet.import_key_set(self._ask(Request(self.metadata()["jwks_uri"])))  # type: ignore[arg-type]
            token = jwt.decode(id_token, keys, algorithms=["RS256", "ES256"])
            jwt.JWTClaimsRegistry(
                now=int(time.time()),
                leeway=30,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.client_id},
                nonce={"essential": True, "value": nonce},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(token.claims)
        except (JoseError, ValueError) as error:
            raise Refused(f"the ID token is not good: {error}") from error
        return dict(token.claims)

    def userinfo(self, access_token: str) -> dict[str, Any]:
        """Return what the provider says about the person (section 5.3)."""
        headers = {"Authorization": f"Bearer {access_token}"}
        return self._ask(Request(self.metadata()["userinfo_endpoint"], headers=headers))

    def _ask(self, request: Request) -> dict[str, Any]:
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                found = json.load(answer)
        except HTTPError as error:
            raise Refused(f"the provider answered {error.code}: {error.read(300).decode(errors='replace')}") from error
        except (URLError, OSError, ValueError) as error:
            raise Refused(f"the provider cannot be reached: {error}") from error
        if not isinstance(found, dict):
            raise Refused("the provider answered something else")
        return found


class Party(ThreadingHTTPServer):
    """The application: its provider, its address, its sessions."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], provider: Provider, *, base_url: str) -> None:
        self.provider: Final = provider
        self.base_url: Final = base_url
        self.sessions: Final[dict[str, dict[str, Any]]] = {}
        super().__init__(address, Page)

    def session(self, identifier: str | None) -> tuple[str, dict[str, Any]]:
        """Return the browser's session, or a new one."""
        if identifier is not None and identifier in self.sessions:
            return identifier, self.sessions[identifier]
        while len(self.sessions) >= SESSIONS_KEPT:
            self.sessions.pop(next(iter(self.sessions)))
        identifier = secrets.token_urlsafe(32)
        return identifier, self.sessions.setdefault(identifier, {})


class Page(BaseHTTPRequestHandler):
    """The four addresses of the application."""

    server: Party
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer by path."""
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        self.identifier, self.session = self.server.session(cookie.value if cookie is not None else None)
        path = urlsplit(self.path).path
        actions = {"/": self.home, "/login": self.login, "/callback": self.callback, "/logout": self.logout}
        try:
            action = actions.get(path)
            if action is None:
                self.page("Nothing here", "<p>There is no such page.</p>", HTTPStatus.NOT_FOUND)
            else:
                action()
        except Refused as error:
            again = '<a class="button" href="/">Back</a>'
            self.page("That did not work", f"<p>{html.escape(str(error))}</p>{again}", HTTPStatus.BAD_GATEWAY)

    def home(self) -> None:
        """Show who signed in, or the button."""
        claims = self.session.get("claims")
        if claims is None:
            self.page(
                "Demo application",
                "<p>This page stands for any application of your house. It knows nothing about you yet.</p>"
                '<a class="button" href="/login">Sign in</a>',
            )
            return
        name = html.escape(str(claims.get("name") or claims.get("preferred_username") or claims["sub"]))
        rows = "".join(
            f"<tr><th>{html.escape(key)}</th><td>{html.escape(shown(key, value))}</td></tr>"
            for key, value in claims.items()
        )
        self.page(
            f"Hello, {name}",
            f"<p>You are signed in. These are the claims the application received.</p><table>{rows}</table>"
            '<a class="button" href="/logout">Sign out</a>',
        )

    def login(self) -> None:
        """Send the browser to the provider, with fresh state, nonce and PKCE verifier."""
        verifier = secrets.token_urlsafe(48)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        pending = {"state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24), "verifier": verifier}
        self.session["pending"] = pending
        query = {
            "response_type": "code",
            "client_id": self.server.provider.client_id,
            "redirect_uri": f"{self.server.base_url}/callback",
            "scope": "openid email profile",
            "state": pending["state"],
            "nonce": pending["nonce"],
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        self.redirect(f"{self.server.provider.metadata()['authorization_endpoint']}?{urlencode(query)}")

    def callback(self) -> None:
        """Take the code back, check everything, remember the claims under a new session id."""
        answer = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        pending = self.session.pop("pending", None)
        if pending is None or not secrets.compare_digest(answer.get("state", ""), pending["state"]):
            raise Refused("this sign-in was not started here, or was finished already")
        if "code" not in answer:
            raise Refused(f"{answer.get('error', 'no code')}: {answer.get('error_description', '')}")
        provider = self.server.provider
        tokens = provider.redeem(
            answer["code"], verifier=pending["verifier"], redirect_uri=f"{self.server.base_url}/callback"
        )
        claims = provider.verify(tokens["id_token"], nonce=pending["nonce"])
        person = provider.userinfo(tokens["access_token"])
        if person.get("sub") != claims["sub"]:
            raise Refused("userinfo speaks of somebody else")
        self.server.sessions.pop(self.identifier, None)
        self.identifier, self.session = self.server.session(None)
        self.session.update(claims={**claims, **person}, id_token=tokens["id_token"])
        self.redirect("/")

    def logout(self) -> None:
        """Forget the session, and end the one at the provider (OpenID Connect RP-Initiated Logout)."""
        id_token = self.session.get("id_token")
        self.server.sessions.pop(self.identifier, None)
        self.identifier, self.session = self.server.session(None)
        if id_token is None:
            self.redirect("/")
            return
        query = urlencode({"id_token_hint": id_token, "post_logout_redirect_uri": f"{self.server.base_url}/"})
        self.redirect(f"{self.server.provider.metadata()['end_session_endpoint']}?{query}")

    def page(self, title: str, body: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Send a page."""
        text = (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
            f"<style>{STYLE}</style><main><h1>{title}</h1>{body}</main></html>"
        ).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:")
        self.finish_with(text)

    def redirect(self, url: str) -> None:
        """Send the browser elsewhere."""
        self.send_response(HTTPStatus.FOUND)
        self.send_header("Location", url)
        self.finish_with(b"")

    def finish_with(self, body: bytes) -> None:
        """Send what every answer has, and the body."""
        self.send_header("Set-Cookie", f"{COOKIE}={self.identifier}; Path=/; HttpOnly; SameSite=Lax")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Say nothing: the terminal belongs to Ostiary."""


def shown(name: str, value: object) -> str:
    """Return a claim for people: times as times, lists and objects as JSON."""
    if name in MOMENTS and isinstance(value, int):
        return f"{time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(value))} ({value})"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def make(*, port: int, issuer: str, client_secret: str) -> Party:
    """Return the application, listening on localhost."""
    provider = Provider(issuer, "demo", client_secret)
    return Party(("127.0.0.1", port), provider, base_url=f"http://localhost:{port}")


if __name__ == "__main__":
    make(
        port=int(os.environ.get("DEMO_PORT", "9080")),
        issuer=os.environ.get("DEMO_ISSUER", "http://localhost:9000/application/o/demo/"),
        client_secret=os.environ["DEMO_CLIENT_SECRET"],
    ).serve_forever()
