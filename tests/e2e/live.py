"""A running Ostiary for end-to-end tests: a real process, a real database, real sockets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx2 as httpx
import pytest
from support.ports import free_port
from support.waiting import PATIENCE, wait_until

OSTIARY = Path(sys.executable).with_name("ostiary")


OPEN: list[httpx.Client] = []
"""Clients to close when the test ends: an unclosed socket is a warning, and a warning is an error."""


def client() -> httpx.Client:
    made = httpx.Client(timeout=60)
    OPEN.append(made)
    return made


@dataclass
class Server:
    """One `ostiary serve` process on free ports, with its data below `folder`."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    metrics: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("OSTIARY_", "AUTHENTIK_"))}
        blueprints = self.folder / "blueprints"
        blueprints.mkdir(parents=True, exist_ok=True)
        return {
            **kept,
            "OSTIARY_DATA_DIR": str(self.folder / "data"),
            "OSTIARY_BLUEPRINTS_DIR": str(blueprints),
            "OSTIARY_LISTEN__HTTP": f"127.0.0.1:{self.port}",
            "OSTIARY_LISTEN__METRICS": f"127.0.0.1:{self.metrics}",
            "OSTIARY_LISTEN__HTTPS": "off",
            **self.environ,
        }

    def start(self, *, seconds: float = PATIENCE) -> Server:
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(OSTIARY), "serve"], env=self.environment, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        try:
            wait_until(self.ready, what=self._unready, process=self.process, seconds=seconds)
        except AssertionError:
            self.stop()
            raise
        return self

    def ready(self) -> bool:
        return httpx.get(f"{self.url}/-/health/ready/", timeout=5).status_code == 200

    def _unready(self) -> str:
        return "the server did not become ready:\n" + self.log()

    def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(25)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def cli(self, *arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(OSTIARY), *arguments],
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=60,
            cwd=self.folder,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
        )
        if check and done.returncode != 0:
            raise AssertionError(f"ostiary {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def add_user(self, name: str, password: str, *groups: str) -> None:
        joins = [word for group in groups for word in ("--group", group)]
        address = f"{name}@example.org"
        self.cli("user", "create", name, "--email", address, *joins, "--password-stdin", stdin=password)


Make = Callable[..., Server]
"""Makes a server with these variables of the environment, which is stopped at the end."""


@contextmanager
def servers(folders: pytest.TempPathFactory, **usual: str) -> Iterator[Make]:
    """Give a factory of servers, each in a folder of its own unless told otherwise, and stop them at the end."""
    made: list[Server] = []

    def make(*, folder: Path | None = None, **environ: str) -> Server:
        made.append(Server(folder or folders.mktemp("server"), {**usual, **environ}))
        return made[-1]

    try:
        yield make
    finally:
        for server in made:
            server.stop()


@pytest.fixture(autouse=True)
def clients_are_closed() -> Iterator[None]:
    """Close what a test opened. A conftest has it by importing it."""
    yield
    while OPEN:
        OPEN.pop().close()


class Denied(AssertionError):
    """The flow ended in ak-stage-access-denied."""


@dataclass
class Person:
    """A headless browser: follows redirects by hand and answers flow challenges through the JSON executor."""

    base: str
    username: str = ""
    password: str = ""
    totp_secret: str | None = None
    client: httpx.Client = field(default_factory=client)
    seen: list[str] = field(default_factory=list)  # components answered, in order
    codes: list[str] = field(default_factory=list)

    def get(self, url: str, *, stop: str = "\0", hops: int = 25) -> httpx.Response:
        """GET and follow redirects, through flows as well, until a URL starts with `stop` or a page stays."""
        answer = None
        for _ in range(hops):
            if url.startswith(stop):
                return httpx.Response(302, headers={"location": url}, request=httpx.Request("GET", url))
            if self._is_flow(url):
                url = urljoin(self.base, self.flow(url))
                continue
            answer = self.client.get(url)
            if not answer.is_redirect:
                return answer
            url = urljoin(url, answer.headers["location"])
        raise AssertionError(f"too many hops, last {url} {answer}")

    def _is_flow(self, url: str) -> bool:
        return url.startswith(f"{self.base}/if/flow/")

    def flow(self, url: str) -> str:
        """Answer one flow to its end; return where it leads."""
        parts = urlsplit(url)
        slug = parts.path.removeprefix("/if/flow/").strip("/")
        executor = f"{self.base}/api/v3/flows/executor/{slug}/?{urlencode({'query': parts.query})}"
        challenge = self._follow(self.client.get(executor))
        for _ in range(15):
            component = challenge["component"]
            if component == "xak-flow-redirect":
                return str(challenge["to"])
            if component == "ak-stage-access-denied":
                raise Denied(challenge.get("error_message"))
            if challenge.get("response_errors"):
                raise AssertionError(f"{component}: {challenge['response_errors']}")
            self.seen.append(component)
            body = {"component": component, **self._answer(component, challenge)}
            challenge = self._follow(self.client.post(executor, json=body))
        raise AssertionError("the flow does not end")

    def _follow(self, answer: httpx.Response) -> dict[str, Any]:
        for _ in range(5):
            if not answer.is_redirect:
                break
            answer = self.client.get(urljoin(str(answer.url), answer.headers["location"]))
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
        decoded: dict[str, Any] = answer.json()
        return decoded

    def _answer(self, component: str, challenge: dict[str, Any]) -> dict[str, Any]:
        match component:
            case "ak-stage-identification":
                both = {"uid_field": self.username}
                return {**both, "password": self.password} if challenge["password_fields"] else both
            case "ak-stage-password":
                return {"password": self.password}
            case "ak-stage-authenticator-validate":
                return self._second_factor(challenge)
            case "ak-stage-authenticator-totp":
                query = parse_qs(urlsplit(challenge["config_url"]).query)
                self.totp_secret = query["secret"][0]
                return {"code": totp(self.totp_secret)}
            case "ak-stage-authenticator-static":
                self.codes = list(challenge["codes"])
                return {}
        if component == "ak-stage-consent":
            return {"token": challenge["token"]}
        if component == "ak-stage-user-login":
            return {"remember_me": False}
        raise AssertionError(f"no answer for {challenge}")

    def _second_factor(self, challenge: dict[str, Any]) -> dict[str, Any]:
        stages = challenge.get("configuration_stages") or []
        if stages and not challenge["device_challenges"]:
            chosen = next(stage for stage in stages if "totp" in stage["meta_model_name"])
            return {"selected_stage": chosen["pk"]}
        if self.totp_secret is not None:
            return {"code": totp(self.totp_secret, ahead=1)}  # the enrolment used the present one up
        return {"code": self.codes.pop()}


def totp(secret: str, *, ahead: int = 0) -> str:
    """RFC 6238 from the standard library, so that the test does not believe the program's own code."""
    import base64
    import hmac

    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    counter = (int(time.time()) // 30 + ahead).to_bytes(8, "big")
    digest = hmac.new(key, counter, "sha1").digest()
    offset = digest[-1] & 15
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


def setup_link(server: Server) -> str:
    """Return the first-run link the server left in its data folder."""
    text = (server.folder / "data" / "setup-link").read_text()
    found = re.search(r"https?://\S+token=\S+", text)
    assert found, text
    return found.group()
