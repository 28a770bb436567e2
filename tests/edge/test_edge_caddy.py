"""`deploy/host/Caddyfile`: Caddy takes it, and a real Caddy before the real server does what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import httpx2 as httpx
import pytest
from edge_caddy import CADDY, Caddy
from edge_nginx import HOST, NAME, Edge
from live import Server

SIGN_IN = "/if/flow/default-authentication-flow/"


@pytest.fixture(scope="module")
def caddy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caddy]:
    edge = Edge(tmp_path_factory.mktemp("caddy"), upstream=server.port).write()
    server.cli("host", "add", f"{NAME}:{edge.port}")  # Caddy hands on the port that browsers ask
    started = Caddy(edge).start()
    yield started
    started.stop()


@pytest.mark.parametrize("words", [("validate", "--adapter", "caddyfile", "--config"), ("fmt",)])
def test_caddy_takes_the_file(words: tuple[str, ...]) -> None:
    done = subprocess.run([str(CADDY), *words, str(HOST / "Caddyfile")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "Valid configuration" in done.stdout or done.stdout == (HOST / "Caddyfile").read_text()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v3/",
        "/api/v3",
        "/api/",
        "/api/v3/schema/",
        "/api/v3/schema",
        "/api//v3//",
        "/api/v3/%73chema/",
        "/api/./v3/",
    ],
)
def test_the_documentation_of_the_api_is_closed(caddy: Caddy, server: Server, path: str) -> None:
    answer = caddy.edge.visitor().get(path)
    assert answer.status_code == 404
    assert "x-authentik-id" not in answer.headers, "the server was asked"


@pytest.mark.parametrize("path", [SIGN_IN, "/api/v3/root/config/", "/nothing-here/", "/api/v3/schema/"])
def test_each_header_once(caddy: Caddy, path: str) -> None:
    answer = caddy.edge.visitor().get(path)
    for name in ("strict-transport-security", "x-content-type-options", "x-frame-options", "referrer-policy"):
        assert len(answer.headers.get_list(name)) == 1, name
    assert len(answer.headers.get_list("content-security-policy")) == 1
    assert "server" not in answer.headers


def test_a_page_that_wants_to_be_framed_can_be(caddy: Caddy) -> None:
    answer = caddy.edge.visitor().get("/application/o/machines/check-session/")
    assert answer.headers.get_list("x-frame-options") == ["ALLOWALL"]


def test_what_strangers_say_of_themselves_is_thrown_away(caddy: Caddy, server: Server) -> None:
    forged = {"X-Forwarded-For": "192.0.2.77", "X-Forwarded-Host": "evil.example", "Forwarded": "for=192.0.2.77"}
    answer = caddy.edge.visitor().get("/if/user/", headers=forged)
    assert "evil.example" not in answer.headers.get("location", "")
    assert "192.0.2.77" not in server.log()


def test_unknown_names_get_nothing(caddy: Caddy) -> None:
    visitor = caddy.edge.visitor()
    visitor.host = "other.example.org"
    assert visitor.get("/").status_code == 421
    plain = f"http://127.0.0.1:{caddy.plain}"
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(plain)
    answer = httpx.get(f"{plain}/a?b", headers={"Host": NAME})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/a?b")


def test_without_the_server_errors_have_the_headers_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    alone = Caddy(Edge(tmp_path_factory.mktemp("alone"), upstream=9).write()).start()
    try:
        answer = alone.edge.visitor().get("/")
    finally:
        alone.stop()
    assert answer.status_code == 502
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert answer.headers["x-content-type-options"] == "nosniff"
