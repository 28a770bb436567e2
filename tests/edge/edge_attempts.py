"""Attempts to sign in, each from an address of its own: good ones, failed ones, and ones that try to fool log readers."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx2 as httpx
from live import Person, Server, client

PASSWORD = "correct horse battery"
CLIENT = ("machines", "machines-secret-for-tests")
EXECUTOR = "/api/v3/flows/executor/default-authentication-flow/?query="
VICTIM = "192.0.2.66"  # whom the forgers want to be banned; nobody asks from there

NAMES = [
    VICTIM,
    f"ada address={VICTIM}",
    f"x address={VICTIM} reason=password",
    f"x\nsign-in failed user=ada address={VICTIM} reason=password",
    f'x"}}\n{{"level": "warning", "logger": "ostiary.signin", "event": "sign-in failed user=a address={VICTIM} reason=x"}}',
    f"\r\n01:51:12 warning sign-in failed user=ada address={VICTIM} reason=password",
    f"%20address={VICTIM}%20reason=password",
    f"x\u2028address={VICTIM}",
    f"{VICTIM}@{VICTIM}",
    f"password={VICTIM} address={VICTIM}",
    "\x00\x1b[2J\u202e",
    "ü" * 120,
    "[::1] <HOST> %(host)s $(id) `id`",
]


@dataclass
class Attempts:
    """Attempts at one server. `failed` and `clients` are what the filters have to count, by address."""

    server: Server
    failed: Counter[str] = field(default_factory=Counter)
    clients: Counter[str] = field(default_factory=Counter)
    good: list[str] = field(default_factory=list)

    def all(self) -> Attempts:
        self.right_ones()
        self.wrong_passwords()
        self.unknown_people()
        self.wrong_codes()
        self.machines()
        return self.forgeries()

    def right_ones(self) -> None:
        """Sign in well, set up a one-time code, sign in with it."""
        person = self.person("203.0.113.1", PASSWORD)
        assert person.get(f"{self.server.url}/if/user/").status_code == 200
        tom = self.person("203.0.113.2", PASSWORD, name="tom")
        assert tom.get(f"{self.server.url}/if/user/").status_code == 200
        tom.flow(f"{self.server.url}/if/flow/default-authenticator-totp-setup/")
        assert tom.totp_secret is not None
        again = self.person("203.0.113.3", PASSWORD, name="tom")
        again.totp_secret = tom.totp_secret
        assert again.get(f"{self.server.url}/if/user/").status_code == 200
        self.good += ["203.0.113.1", "203.0.113.2", "203.0.113.3"]

    def wrong_passwords(self) -> None:
        """Guess until the server says 429; the refusal counts as well."""
        post = self.at_password("203.0.113.11", "ada")
        for _ in range(12):
            status = post({"password": "wrong"}).status_code
            self.failed["203.0.113.11"] += 1
            if status == 429:
                break
            if status == 302 or self.failed["203.0.113.11"] % 5 == 0:
                post = self.at_password("203.0.113.11", "ada")
        assert status == 429
        page = self.caller("2001:db8:5::11")  # the page without script
        form = page.get(f"{self.server.url}/if/flow/default-authentication-flow/")
        answer = self.submit(page, form, uid_field="tom")
        answer = self.submit(page, answer, password="wrong")
        assert answer.status_code == 200
        self.failed["2001:db8:5::11"] += 1

    def unknown_people(self) -> None:
        """The name is refused or the password later; each is a line."""
        self.try_name("203.0.113.12", "nobody")

    def wrong_codes(self) -> None:
        post = self.at_password("203.0.113.13", "tom")
        assert post({"password": PASSWORD}).status_code == 302
        assert "device_challenges" in post(None).text
        for code in ("000000", "not a code", "111111"):
            assert post({"code": code}).status_code in {200, 429}
            self.failed["203.0.113.13"] += 1

    def machines(self) -> None:
        """Applications with the right and the wrong secret, and wrong app passwords of accounts."""
        assert self.token("203.0.113.21", CLIENT).status_code == 200
        self.good.append("203.0.113.21")
        for address, pair in {"203.0.113.22": (CLIENT[0], "wrong"), "203.0.113.23": ("nobody", "wrong")}.items():
            assert self.token(address, pair).status_code == 401
            self.clients[address] += 1
        forged = f'wrong) address={VICTIM} request={"0" * 32}", "x": "'
        assert self.token("203.0.113.24", (forged, forged)).status_code in {400, 401}
        self.clients["203.0.113.24"] += 1
        for username in ("ada", f"x address={VICTIM} reason=y"):
            assert self.token("203.0.113.25", CLIENT, username=username, password="wrong").status_code == 400
            self.failed["203.0.113.25"] += 1
        encoded = base64.b64encode(b"ada:wrong").decode()
        assert self.token("203.0.113.26", (CLIENT[0], encoded)).status_code in {400, 401}
        self.failed["203.0.113.26"] += 1

    def forgeries(self) -> Attempts:
        """Names, addresses, paths and agents that look like log lines."""
        for number, name in enumerate(NAMES, 1):
            self.try_name(f"198.51.100.{number}", name)
        line = f"sign-in failed user=ada address={VICTIM} reason=password"
        quoted = f'","logger":"ostiary.signin","event":"{line}'
        for text in (line, quoted):
            asker = self.caller("198.51.100.99", agent=text)
            asker.get(f"{self.server.url}/{text}")
            asker.post(f"{self.server.url}/application/o/{text}/", data={"grant_type": text})
        asker = self.caller(f"{VICTIM} reason=password, 198.51.100.98")
        asker.get(f"{self.server.url}/")
        self.token("198.51.100.99", CLIENT, grant_type=line)
        return self

    def try_name(self, address: str, name: str) -> None:
        """Name somebody; each step that fails is one line."""
        asker = self.caller(address)
        asker.get(self.url)
        answer = asker.post(self.url, json={"uid_field": name})
        self.failed[address] += 1
        if answer.status_code == 302:
            asker.get(self.url)
            asker.post(self.url, json={"password": "wrong"})
            self.failed[address] += 1

    @property
    def url(self) -> str:
        return f"{self.server.url}{EXECUTOR}"

    def caller(self, address: str, agent: str = "test") -> httpx.Client:
        made = client()
        made.headers.update({"X-Forwarded-For": address, "User-Agent": agent})
        return made

    def person(self, address: str, password: str, name: str = "ada") -> Person:
        return Person(self.server.url, name, password, client=self.caller(address))

    def at_password(self, address: str, name: str) -> Callable[[object], httpx.Response]:
        """Return what answers the challenge after the name; None looks at the challenge."""
        asker = self.caller(address)
        asker.get(self.url)
        assert asker.post(self.url, json={"uid_field": name}).status_code == 302
        asker.get(self.url)
        return lambda body: asker.get(self.url) if body is None else asker.post(self.url, json=body)

    def submit(self, asker: httpx.Client, page: httpx.Response, **values: str) -> httpx.Response:
        """Send the form of a page without script."""
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        answer = asker.post(str(page.url), data={**hidden, **values}, headers={"Origin": self.server.url})
        return asker.get(str(page.url)) if answer.is_redirect else answer

    def token(self, address: str, basic: tuple[str, str], **form: str) -> httpx.Response:
        data = {"grant_type": "client_credentials", **form}
        return self.caller(address).post(f"{self.server.url}/application/o/token/", data=data, auth=basic)
