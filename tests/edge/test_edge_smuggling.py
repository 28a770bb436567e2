"""A stranger's request with Upgrade, and the next visitor's request on the same connection of the proxy (A71).

The proxies are real: Caddy with our own Caddyfile, which always hands `Upgrade` on, and nginx as authentik's
documentation has it, with connections to the server kept and `Upgrade` handed on.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator

import httpx2 as httpx
import pytest
from edge_caddy import Caddy
from edge_nginx import NAME, Edge, nginx
from live import Person, Server
from support.ports import free_port
from support.waiting import wait_until

PASSWORD = "correct horse battery"
ME = "/api/v3/core/users/me/"
PAUSES = (0, 0.001, 0.002, 0.004, 0.006, 0.01, 0.02, 0.3)  # seconds; the body has to come before the answer

NGINX = """\
{user}error_log {folder}/error.log;
pid {folder}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream authentik {{
        server 127.0.0.1:{server};
        keepalive 10;
    }}
    map $http_upgrade $connection_upgrade_keepalive {{
        default upgrade;
        '' '';
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://authentik;
            proxy_http_version 1.1;
            proxy_request_buffering {buffering};
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade_keepalive;
        }}
    }}
}}
"""

Connect = Callable[[], contextlib.AbstractContextManager[socket.socket]]


@pytest.fixture(scope="module", params=["off", "on"], ids=["streamed", "buffered"])
def forwarding(
    request: pytest.FixtureRequest, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A real nginx that hands Upgrade on; gives its port."""

    folder, port = tmp_path_factory.mktemp("forwarding"), free_port()
    user = "user root;\n" if os.getuid() == 0 else ""
    text = NGINX.format(folder=folder, port=port, server=server.port, buffering=request.param, user=user)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen([nginx(), "-c", str(folder / "nginx.conf"), "-g", "daemon off;"])
    url, named = f"http://127.0.0.1:{port}/robots.txt", {"host": NAME}
    said = (folder / "error.log").read_text
    try:
        wait_until(
            lambda: httpx.get(url, headers=named, timeout=5).status_code == 200,
            what=said,
            process=process,
        )
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def caddy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    started = Caddy(Edge(tmp_path_factory.mktemp("caddy"), upstream=server.port).write()).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def cookie(server: Server) -> str:
    """The victim's cookie."""
    person = Person(server.url, "ada", PASSWORD)
    person.get(f"{server.url}/if/user/")
    (found,) = [f"{name}={value}" for name, value in person.client.cookies.items() if name == "authentik_session"]
    person.client.close()
    return found


def attack(connect: Connect, upgrade: str, pause: float) -> None:
    """Send a request with Upgrade whose body is empty lines, which a parser passes over, and then half a request.

    However a proxy cuts it into segments, one of them begins among the empty lines.
    """
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2000"
    half = f"POST /application/o/token/ HTTP/1.1\r\nHost: {NAME}\r\n{form}\r\n\r\nx="
    body = b"\r\n" * 6_000 + half.encode()
    head = f"GET /if/flow/default-authentication-flow/ HTTP/1.1\r\nHost: {NAME}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    with connect() as line, contextlib.suppress(OSError):
        line.settimeout(5)
        line.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:6_000])
        time.sleep(pause)
        line.sendall(body[6_000:])
        line.settimeout(0.3)
        while line.recv(65_536):  # all of the answer, or the proxy gives up its connection
            pass


def visit(connect: Connect, cookie: str) -> bytes:
    """The victim's request, and what the victim is answered."""
    with connect() as line:
        line.settimeout(20)
        line.sendall(f"GET {ME} HTTP/1.1\r\nHost: {NAME}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        with contextlib.suppress(TimeoutError):
            while part := line.recv(65_536):
                answer += part
    return answer


def nobody_is_swallowed(connect: Connect, cookie: str) -> None:
    assert b'"username":"ada"' in visit(connect, cookie).replace(b": ", b":")
    for number in range(len(PAUSES)):
        attack(connect, ["foo", "websocket", "h2c"][number % 3], pause=PAUSES[number])
        answer = visit(connect, cookie)
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
        assert b'"username":"ada"' in answer.replace(b": ", b":")


def test_a71_behind_nginx(forwarding: int, cookie: str) -> None:
    nobody_is_swallowed(lambda: socket.create_connection(("127.0.0.1", forwarding), timeout=20), cookie)


def test_a71_behind_caddy(caddy: Caddy, cookie: str) -> None:
    context: ssl.SSLContext = caddy.edge.trust

    @contextlib.contextmanager
    def connect() -> Iterator[socket.socket]:
        with (
            socket.create_connection(("127.0.0.1", caddy.edge.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=NAME) as secure,
        ):
            yield secure

    nobody_is_swallowed(connect, cookie)
