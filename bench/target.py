"""A server under measurement: where it listens, what its paths are, and what the people there hold."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs, urlsplit

from browser import Browser, query
from message import Answer, basic, cut, form, request
from servers import Started, cpu_of, tree

CALLBACK: Final = "http://localhost:9/callback"
SECRET: Final = "bench-secret-0123456789-0123456789-0123456789"  # noqa: S105 - of servers that live for minutes
VERIFIER: Final = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"  # RFC 7636 appendix B
CHALLENGE: Final = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
PASSWORD: Final = "correct horse battery"  # noqa: S105 - as above
SCOPE: Final = "openid email profile offline_access"
PEOPLE: Final = tuple(f"ada{number}" for number in range(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Where a server answers what; `password` and `name` are the fields of its sign-in form."""

    token: str
    introspect: str
    userinfo: str = ""
    authorize: str = ""
    discovery: str = ""
    name: str = ""


@dataclass(slots=True, kw_only=True)
class Target:
    """One server. `database` is the first process of a PostgreSQL server, if there is one."""

    name: str
    started: Started
    paths: Paths
    database: int | None = None
    login_client: str = "bench-login"
    operations: frozenset[str] = frozenset()
    browsers: list[Browser] = field(default_factory=list)
    access: list[str] = field(default_factory=list)
    refresh: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.started.port

    def cpu(self) -> tuple[float, float]:
        """Return CPU seconds of the server's processes, and of its database's."""
        beside = 0.0 if self.database is None else sum(cpu_of(pid) for pid in tree(self.database))
        return self.started.cpu_now(), beside

    def typed(self, name: str) -> dict[str, str]:
        """Return what a person types into the fields of pages."""
        return {self.paths.name: name, "password": PASSWORD}

    def authorize_url(self, client: str) -> str:
        """Return the authorization request of a client."""
        return query(
            self.paths.authorize,
            {
                "client_id": client,
                "response_type": "code",
                "scope": SCOPE,
                "redirect_uri": CALLBACK,
                "state": "a-state-of-the-client",
                "nonce": "a-nonce-of-the-client",
                "code_challenge": CHALLENGE,
                "code_challenge_method": "S256",
            },
        )

    def code_form(self) -> dict[str, str]:
        """Return the form that exchanges a code, without the code."""
        return {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}

    def call(self, sent: bytes) -> Answer:
        """Send one request on a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(sent.replace(b"{host}", f"127.0.0.1:{self.port}".encode(), 1))
            buffer = b""
            while (found := cut(buffer)) is None:
                data = connection.recv(65_536)
                if not data:
                    raise RuntimeError(f"{self.name} closed the connection: {buffer[:300]!r}")
                buffer += data
            return found[0]

    def sign_in(self, client: str = "bench-opaque") -> None:
        """Sign every person in, and keep browsers, access and refresh tokens."""
        for name in PEOPLE:
            browser = Browser(self.typed(name))
            to = self._drive(browser.visit(self.authorize_url(client), until=CALLBACK))
            code = parse_qs(urlsplit(to).query)["code"][0]
            answer = self.call(
                form(self.paths.token, {**self.code_form(), "code": code}, headers=basic(client, SECRET))
            )
            if answer.status != 200:  # noqa: PLR2004 - OK
                raise RuntimeError(f"{self.name}: {answer.status} {answer.body!r}")
            made = json.loads(answer.body)
            self.browsers.append(browser)
            self.access.append(made["access_token"])
            self.refresh.append(made["refresh_token"])

    def take_tokens(self) -> None:
        """Keep access tokens of a program, where nobody signs in."""
        sent = form(self.paths.token, {"grant_type": "client_credentials"}, headers=basic("bench-opaque", SECRET))
        self.access.extend(json.loads(self.call(sent).body)["access_token"] for _ in PEOPLE)

    def _drive(self, visit: Generator[bytes, Answer, str]) -> str:
        try:
            sent = next(visit)
            while True:
                sent = visit.send(self.call(sent))
        except StopIteration as stop:
            return str(stop.value)


def get(path: str, **headers: str) -> bytes:
    """Return the octets of a GET."""
    return request("GET", path, headers=headers)
