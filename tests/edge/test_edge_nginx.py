"""A real nginx before the real server: who comes in, how often, with which headers, and how all of it is stopped."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
from edge_fail2ban import Fail2ban
from edge_nginx import HOST, NAME, Edge, Visitor
from live import Server
from support.waiting import wait_until

PASSWORD = "correct horse battery"
EXECUTOR = "/api/v3/flows/executor/default-authentication-flow/?query="
SIGN_IN = "/if/flow/default-authentication-flow/"
DOCUMENTATION = ["/api/v3/", "/api/v3", "/api/", "/api/v3/schema/", "/api/v3/schema", "/api/v3/schema/?format=json"]
DISGUISED = ["//api//v3/", "/api/v3/./schema/", "/x/../api/v3/schema/", "/api/v3/%73chema/", "/api/v3/schema//"]


def sign_in(visitor: Visitor, *, password: str, times: int = 1) -> httpx.Response:
    """Say who one is, then give a password, some times over."""
    visitor.get(EXECUTOR)
    assert visitor.ask("POST", EXECUTOR, json={"uid_field": "ada"}).status_code == 302
    visitor.get(EXECUTOR)
    answer = None
    for _ in range(times):
        time.sleep(0.35)  # slower than the rate limit, so that each arrives
        answer = visitor.ask("POST", EXECUTOR, json={"password": password})
        assert answer.status_code != 429
        if answer.is_redirect:
            visitor.get(EXECUTOR)
    assert answer is not None
    return answer


def at_once(visitor: Visitor, times: int, method: str, path: str, **options: object) -> list[httpx.Response]:
    """Ask the same many times at once, and again where a slow machine did not reach the limit, until one is refused."""
    for _ in range(10):
        with ThreadPoolExecutor(times) as pool:
            answers = list(pool.map(lambda _: visitor.ask(method, path, **options), range(times)))
        if any(answer.status_code == 429 for answer in answers):
            return answers
    raise AssertionError(f"{method} {path}: {10 * times} requests and none was answered 429")


def eventually(check: Callable[[], bool]) -> bool:
    """Wait until something is true; a connection that a reload closed is no answer yet."""
    return wait_until(check)


def test_nginx_takes_the_files_without_a_warning(edge: Edge) -> None:
    done = edge.test()
    assert done.returncode == 0
    assert "warn" not in done.stderr, done.stderr


def test_the_example_of_a_proxy_before_it_is_right(tmp_path: Path) -> None:
    text = (HOST / "nginx" / "snippets" / "ostiary-real-ip.conf").read_text()
    lines = [line.removeprefix("# ") for line in text.splitlines() if line.startswith(("# set_", "# real_"))]
    assert len(lines) == 2
    done = Edge(tmp_path, upstream=9000).write(real_ip="\n".join(lines)).test()
    assert done.returncode == 0, done.stderr


class TestGixy:
    @pytest.fixture
    def written(self, tmp_path: Path) -> Edge:
        return Edge(tmp_path, upstream=9000).write()

    def test_finds_nothing(self, written: Edge) -> None:
        done = self.run(written)
        assert done.returncode == 0, done.stdout
        assert "No issues found" in done.stdout, done.stdout

    def test_finds_headers_that_a_location_would_drop(self, written: Edge) -> None:
        path = written.folder / "ostiary.conf"
        before = "    location / {\n        include"
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, before.replace("{\n", '{\n        add_header X-A "b";\n')))
        assert "add_header_redefinition" in self.run(written).stdout

    def run(self, written: Edge) -> subprocess.CompletedProcess[str]:
        gixy = Path(sys.executable).with_name("gixy")
        command = [str(gixy), str(written.configuration)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


class TestWhoComesIn:
    def test_a_person_signs_in(self, edge: Edge, server: Server) -> None:
        visitor = edge.visitor()
        sign_in(visitor, password=PASSWORD)
        me = visitor.get("/api/v3/core/users/me/").json()
        assert me["user"]["username"] == "ada"
        assert eventually(lambda: visitor.address in server.log())

    def test_a_long_state_comes_back(self, edge: Edge) -> None:
        """Eight kibibytes, in the address that comes in and in the one that goes out."""
        visitor = edge.visitor()
        sign_in(visitor, password=PASSWORD)
        wanted = {"client_id": "machines", "redirect_uri": "http://localhost:9/callback", "response_type": "code"}
        state = "s" * 8192
        answer = visitor.get(f"/application/o/authorize/?{urlencode({**wanted, 'scope': 'openid', 'state': state})}")
        assert answer.status_code == 302
        assert f"state={state}" in answer.headers["location"]

    def test_an_unknown_name_gets_no_answer(self, edge: Edge) -> None:
        visitor = edge.visitor()
        visitor.host = "other.example.org"
        with pytest.raises(httpx.RemoteProtocolError):
            visitor.get("/")

    def test_an_unknown_name_of_tls_gets_no_certificate(self, edge: Edge) -> None:
        visitor = edge.visitor()
        visitor.sni = "other.example.org"
        with pytest.raises(httpx.ConnectError):
            visitor.get("/")

    def test_plain_http_leads_to_tls_and_strangers_nowhere(self, edge: Edge) -> None:
        plain = f"http://127.0.0.1:{edge.plain}"
        answer = httpx.get(f"{plain}/if/user/?a=b", headers={"Host": NAME})
        assert (answer.status_code, answer.headers["location"]) == (301, f"https://{NAME}/if/user/?a=b")
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(plain)

    def test_what_strangers_say_of_themselves_is_overwritten(self, edge: Edge, server: Server) -> None:
        visitor = edge.visitor()
        forged = {"X-Forwarded-For": "192.0.2.66", "Forwarded": "for=192.0.2.66", "X-Forwarded-Host": "evil.example"}
        answer = visitor.get("/if/user/", headers=forged)
        assert "evil.example" not in answer.headers.get("location", "")
        assert eventually(lambda: visitor.address in server.log())
        assert "192.0.2.66" not in server.log()

    @pytest.mark.parametrize("path", DOCUMENTATION)
    def test_the_documentation_of_the_api_is_closed(self, edge: Edge, path: str) -> None:
        visitor = edge.visitor()
        assert visitor.get(path).status_code == 404
        assert self.logged(edge, visitor.address).endswith(" 404 -"), "the server was asked"

    @pytest.mark.parametrize("path", DISGUISED)
    def test_however_it_is_written(self, edge: Edge, path: str) -> None:
        address = edge.address()
        with edge.line(f"GET {path} HTTP/1.1", address) as line:
            assert line.recv(64).startswith(b"HTTP/1.1 404")
        assert self.logged(edge, address).endswith(" 404 -"), "the server was asked"

    def logged(self, edge: Edge, address: str) -> str:
        """Return the line of nginx's log about the only request of an address."""
        assert eventually(lambda: f"{address} [" in edge.log())
        return next(line for line in edge.log().splitlines() if line.startswith(f"{address} ["))

    def test_the_rest_of_the_api_is_open(self, edge: Edge) -> None:
        assert edge.visitor().get("/api/v3/root/config/").status_code == 200


class TestHowOften:
    @pytest.mark.parametrize(("method", "path"), [("POST", EXECUTOR), ("POST", SIGN_IN), ("PUT", SIGN_IN)])
    def test_rapid_sign_in_is_answered_429(self, edge: Edge, method: str, path: str) -> None:
        answers = at_once(edge.visitor(), 24, method, path, json={"uid_field": "nobody"})
        slow = [answer for answer in answers if answer.status_code == 429]
        assert 0 < len(slow) <= 19, "six at once are let through"
        assert slow[0].headers["retry-after"] == "5"
        assert edge.visitor().ask(method, path, json={}).status_code != 429, "somebody else is let through"

    @pytest.mark.parametrize("path", ["/application/o/token/", "/application/o/device/", "/login/oauth/access_token"])
    def test_programs_have_a_limit_too(self, edge: Edge, path: str) -> None:
        answers = at_once(edge.visitor(), 50, "POST", path, data={"client_id": "nobody"})
        assert 0 < sum(answer.status_code == 429 for answer in answers) <= 30

    def test_looking_has_a_wider_one(self, edge: Edge) -> None:
        answers = at_once(edge.visitor(), 110, "GET", "/robots.txt")
        assert 0 < sum(answer.status_code == 429 for answer in answers) <= 70

    def test_a_network_of_ipv6_counts_as_one(self, edge: Edge) -> None:
        neighbours = [edge.visitor(f"2001:db8:1:2:{number:x}::{number + 1:x}") for number in range(24)]

        def refused() -> bool:
            with ThreadPoolExecutor(24) as pool:
                answers = list(pool.map(lambda one: one.ask("POST", SIGN_IN, json={}), neighbours))
            return 429 in [answer.status_code for answer in answers]

        assert eventually(refused)
        for other in ("2001:db8:1:3::1", "2001:db8:1::1", "2001:db8::1", "::1"):
            assert edge.visitor(other).ask("POST", SIGN_IN, json={}).status_code != 429


class TestHeaders:
    HSTS = "max-age=31536000"

    def once(self, answer: httpx.Response, name: str) -> str:
        values = answer.headers.get_list(name)
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    def all_there(self, answer: httpx.Response) -> None:
        assert self.once(answer, "strict-transport-security") == self.HSTS
        assert self.once(answer, "x-content-type-options") == "nosniff"
        assert self.once(answer, "x-frame-options") == "SAMEORIGIN"
        assert self.once(answer, "referrer-policy") == "same-origin"
        assert "default-src 'none'" in self.once(answer, "content-security-policy")
        assert "nginx/" not in answer.headers.get("server", "")

    @pytest.mark.parametrize("path", [SIGN_IN, "/api/v3/root/config/", "/nothing-here/", "/api/v3/schema/", "/x%2fy"])
    def test_pages_and_errors_have_each_once(self, edge: Edge, path: str) -> None:
        self.all_there(edge.visitor().get(path))

    def test_assets_too(self, edge: Edge) -> None:
        visitor = edge.visitor()
        page = visitor.get(SIGN_IN).text
        asset = page.split('<link rel="stylesheet" href="')[1].split('"')[0]
        answer = visitor.get(asset)
        assert answer.status_code == 200
        self.all_there(answer)

    def test_and_what_nginx_refuses_by_itself(self, edge: Edge) -> None:
        answers = at_once(edge.visitor(), 24, "POST", SIGN_IN, json={})
        self.all_there(next(answer for answer in answers if answer.status_code == 429))

    def test_and_what_the_banned_get(self, edge: Edge) -> None:
        visitor = edge.visitor()
        assert edge.script("edge-deny", "add", "headers", visitor.address).returncode == 0
        assert eventually(lambda: visitor.get("/").status_code == 403)
        self.all_there(visitor.get("/"))
        edge.script("edge-deny", "clear", "headers")

    def test_a_page_that_wants_to_be_framed_can_be(self, edge: Edge) -> None:
        answer = edge.visitor().get("/application/o/machines/check-session/")
        assert answer.status_code == 200
        assert self.once(answer, "x-frame-options") == "ALLOWALL"


class TestBans:
    def test_five_failures_ban_the_address_and_no_other(self, edge: Edge, fail2ban: Fail2ban) -> None:
        visitor, other = edge.visitor(), edge.visitor()
        sign_in(visitor, password="wrong", times=4)
        sign_in(other, password=PASSWORD)
        time.sleep(2)
        assert visitor.get("/robots.txt").status_code == 200, "four are no reason"
        assert visitor.ask("POST", EXECUTOR, json={"password": "wrong"}).status_code == 200
        denied = edge.state / "denied.conf"
        assert eventually(lambda: f"{visitor.address} 1; # ostiary\n" in denied.read_text()), fail2ban.told()
        assert eventually(lambda: visitor.get("/robots.txt").status_code == 403)
        assert visitor.ask("POST", EXECUTOR, json={"password": PASSWORD}).status_code == 403
        assert other.get("/robots.txt").status_code == 200
        assert other.address not in denied.read_text()
        assert visitor.address in fail2ban.ask("status", "ostiary").stdout
        fail2ban.ask("set", "ostiary", "unbanip", visitor.address)
        assert eventually(lambda: visitor.get("/robots.txt").status_code == 200)
        assert visitor.address not in denied.read_text()

    def test_the_jail_is_five_in_ten_minutes_for_an_hour(self, fail2ban: Fail2ban) -> None:
        settings = [fail2ban.ask("get", "ostiary", name).stdout.strip() for name in ("maxretry", "findtime", "bantime")]
        assert settings == ["5", "600", "3600"]
        assert "ostiary-clients" not in fail2ban.ask("status").stdout

    def test_a_network_of_ipv6_is_banned_as_one(self, edge: Edge) -> None:
        assert edge.script("edge-deny", "add", "ostiary", "2001:db8:7:7::1").returncode == 0
        assert eventually(lambda: edge.visitor("2001:db8:7:7:1::2").get("/robots.txt").status_code == 403)
        assert edge.visitor("2001:db8:7:8::2").get("/robots.txt").status_code == 200
        edge.script("edge-deny", "remove", "ostiary", "2001:db8:7:7::1")
        assert eventually(lambda: edge.visitor("2001:db8:7:7::1").get("/robots.txt").status_code == 200)

    def test_lists_of_jails_are_apart(self, edge: Edge) -> None:
        denied = edge.state / "denied.conf"
        for jail in ("one", "two", "two"):
            assert edge.script("edge-deny", "add", jail, "198.51.100.9").returncode == 0
        assert denied.read_text().count("198.51.100.9 1;") == 2
        edge.script("edge-deny", "clear", "one")
        assert "198.51.100.9 1; # two" in denied.read_text()
        edge.script("edge-deny", "remove", "two", "198.51.100.9")
        assert "198.51.100.9" not in denied.read_text()

    @pytest.mark.parametrize("address", ["", "1.2.3.4; return 200", "x", "$host", "1.2.3.4 1;\n5.6.7.8"])
    def test_what_is_no_address_never_reaches_the_list(self, edge: Edge, address: str) -> None:
        before = (edge.state / "denied.conf").read_text()
        assert edge.script("edge-deny", "add", "ostiary", address).returncode == 2
        assert (edge.state / "denied.conf").read_text() == before

    def test_a_list_that_nginx_refuses_is_taken_back(self, edge: Edge) -> None:
        before = (edge.state / "denied.conf").read_text()
        done = edge.script("edge-deny", "add", "ostiary", "999.999.1.1")
        assert done.returncode == 1
        assert (edge.state / "denied.conf").read_text() == before
        assert edge.visitor().get("/robots.txt").status_code == 200


class TestShutoff:
    def test_stops_all_traffic_and_lets_it_in_again(self, edge: Edge, server: Server) -> None:
        visitor = edge.visitor()
        assert visitor.get("/robots.txt").status_code == 200
        assert edge.script("edge-shutoff", "status").returncode == 0
        on = edge.script("edge-shutoff", "on")
        try:
            assert on.returncode == 0, on.stderr
            assert edge.script("edge-shutoff", "status").returncode == 3
            assert self.silent(edge, visitor), "an open connection too"
            for path in ("/", SIGN_IN, "/-/health/live/", "/.well-known/acme-challenge/x"):
                assert self.silent(edge, edge.visitor(), path)
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(f"http://127.0.0.1:{edge.plain}/", headers={"Host": NAME})
            assert httpx.get(f"{server.url}/-/health/ready/").status_code == 200, "the server itself goes on"
        finally:
            off = edge.script("edge-shutoff", "off")
        assert off.returncode == 0, off.stderr
        assert eventually(lambda: not self.silent(edge, edge.visitor()))
        assert edge.script("edge-shutoff", "status").stdout == "on the net\n"

    def silent(self, edge: Edge, visitor: Visitor, path: str = "/robots.txt") -> bool:
        try:
            visitor.get(path)
        except httpx.TransportError:
            return True
        return False

    def test_stops_an_nginx_that_cannot_be_reloaded(self, server: Server, tmp_path: Path) -> None:
        other = Edge(tmp_path, upstream=server.port).start()
        try:
            with (other.folder / "ostiary.conf").open("a") as file:
                file.write("a mistake")
            done = other.script("edge-shutoff", "on")
            assert done.returncode == 0, done.stderr
            assert other.process is not None
            assert other.process.wait(60) == 0
        finally:
            other.stop()
        again = other.script("edge-shutoff", "on")
        assert (again.returncode, "does not run" in again.stdout) == (0, True)

    def test_cuts_off_what_is_in_flight(self, edge: Edge) -> None:
        with edge.line(f"POST {SIGN_IN} HTTP/1.1\r\nContent-Length: 9", edge.address()) as line:
            time.sleep(0.5)  # nginx now waits for the body, or has not read the head: cut off it is either way
            try:
                assert edge.script("edge-shutoff", "on").returncode == 0
                assert line.recv(64) == b""
            finally:
                assert edge.script("edge-shutoff", "off").returncode == 0
        assert eventually(lambda: not self.silent(edge, edge.visitor()))

    def test_says_what_it_takes(self, edge: Edge) -> None:
        assert edge.script("edge-shutoff").returncode == 2
        assert edge.script("edge-shutoff", "of").returncode == 2
