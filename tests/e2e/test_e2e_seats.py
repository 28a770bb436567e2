"""While one address holds every connection it can get, people at another are served (A74).

The attack and the honest ones ask a running server. Whether the attacker is a stranger (127.0.0.2 is no trusted proxy)
or comes through a proxy that is trusted makes the difference between a part of the seats and all of them.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

import httpx2 as httpx
import pytest
from live import Make, Person, Server
from support.ports import free_port
from support.waiting import wait_until

PASSWORD = "correct horse battery"
ROUNDS = 100
MAX_MISSED = 1
PATIENCE = 10.0  # seconds; the only clock here
MANY = 2_600
BODY = (
    b"POST /application/o/token/ HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n"
)


class Attack:
    """Connections from 127.0.0.2 that send a beginning, if anything, and are opened again when they are ended."""

    def __init__(self, port: int, first: bytes) -> None:
        self._port, self._first = port, first
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.opened = 0

    def _run(self) -> None:
        held: list[socket.socket] = []
        try:
            while not self._over.is_set():
                for one in held[: max(0, len(held) - MANY)]:
                    one.close()
                del held[: max(0, len(held) - MANY)]
                with contextlib.suppress(OSError):
                    held.append(self._one())
                if self.opened > MANY:
                    time.sleep(0.005)  # 200 a second more
        finally:
            for one in held:
                one.close()

    def _one(self) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self._port), timeout=2, source_address=("127.0.0.2", 0))
        self.opened += 1
        made.settimeout(2)
        made.sendall(self._first)
        return made

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.opened >= MANY, what="the connections are not opened")
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module", autouse=True)
def _enough_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def missed(ask: Callable[[], bool]) -> int:
    """How many of a hundred are not answered."""
    count = 0
    for _ in range(ROUNDS):
        try:
            count += not ask()
        except (httpx.HTTPError, OSError, AssertionError):
            count += 1
    return count


def sign_in(server: Server) -> bool:
    with httpx.Client(timeout=PATIENCE) as client:
        person = Person(server.url, "ada", PASSWORD, client=client)
        person.get(f"{server.url}/if/user/")
        return client.get(f"{server.url}/api/v3/core/users/me/").status_code == 200


def token_request(server: Server) -> bool:
    form = {"grant_type": "client_credentials", "client_id": "nobody", "client_secret": "nothing"}
    return httpx.post(f"{server.url}/application/o/token/", data=form, timeout=PATIENCE).status_code in {400, 401}


def probe(server: Server) -> bool:
    return httpx.get(f"{server.url}/-/health/ready/", timeout=PATIENCE).status_code == 200


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("trusted", ["127.0.0.0/8", "127.0.0.1/32"], ids=["through a proxy", "a stranger"])
@pytest.mark.parametrize("way", ["bodies", "hand-shakes", "silence"])
def test_a74_the_others_are_served(make_server: Make, trusted: str, way: str) -> None:
    https = free_port()
    server = make_server(
        OSTIARY_LISTEN__TRUSTED_PROXY_CIDRS=trusted, OSTIARY_LISTEN__HTTPS=f"127.0.0.1:{https}"
    ).start()
    server.add_user("ada", PASSWORD)
    port, first = {"bodies": (server.port, BODY), "hand-shakes": (https, b""), "silence": (server.port, b"")}[way]
    with Attack(port, first) as attack:
        assert missed(lambda: probe(server)) <= MAX_MISSED
        assert missed(lambda: token_request(server)) <= MAX_MISSED
        assert missed(lambda: sign_in(server)) <= MAX_MISSED
    assert attack.opened > MANY
    server.stop()
