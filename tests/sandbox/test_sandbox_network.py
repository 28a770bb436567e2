"""What expressions ask of other machines: the hosts of the operator, at the addresses that are allowed, and no others."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import pytest_asyncio

from ostiary.sandbox.evaluation.errors import ExpressionFailed
from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
from ostiary.sandbox.evaluation.functions import Functions
from ostiary.sandbox.evaluation.result import Evaluation
from ostiary.sandbox.evaluation.runner import Runner
from ostiary.sandbox.language.names import POLICY
from ostiary.sandbox.reaching.allowed import AllowedHosts
from ostiary.sandbox.reaching.network import MAX_REQUESTS, MAX_RESPONSE
from ostiary.sandbox.workers import Limits, Workers
from ostiary.web.outgoing.requests import RequestTarget

CONTEXT = ExpressionContext(subject=None, now=1)
LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"),)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers() -> AsyncIterator[Workers]:
    made = Workers(Limits(deadline=20))
    yield made
    await made.close()


class Party:
    """A server: `answers` by path, and what it was sent."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.sent: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        self.sent.append(head + (await reader.readexactly(length)).decode())
        answer = self.answers.get(head.split(" ")[1].partition("?")[0])
        if answer is None:
            await reader.read()  # never answers
        else:
            writer.write(answer.replace(b"PORT", str(self.port).encode()))
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def party(**answers: bytes) -> AsyncIterator[Party]:
    made = Party()
    made.answers = {f"/{name}": answer for name, answer in answers.items()}
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


def ok(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def runner(workers: Workers, *hosts: str, networks: Any = LOOPBACK, counts: dict[str, int] | None = None) -> Runner:
    nobody = cast("Any", None)
    return Runner(workers, Functions(nobody, nobody, nobody), None, AllowedHosts(hosts, networks), counts)


async def told(made: Runner, source: str, context: ExpressionContext = CONTEXT) -> Evaluation:
    return await made.run(Expression(source, POLICY, "policy x"), context)


async def test_a_response_is_as_requests_has_it(workers: Workers) -> None:
    body = '{"name": "Zoë"}'.encode()
    async with party(people=ok(body, "Content-Type: application/json", "X-Two: a", "X-Two: b")) as there:
        found = await told(
            runner(workers, f"127.0.0.1:{there.port}"),
            f"""
answer = requests.get("{there.url}/people", params={{"q": "a b", "n": [1, 2]}}, headers={{"X-Key": "k"}}, auth=("ada", "pw"), timeout=2)
answer.raise_for_status()
return [answer.status_code, answer.ok, answer.json()["name"], answer.headers["X-TWO"], answer.reason, len(answer.content), answer.text]
""",
        )  # fmt: skip
    assert found.value == [200, True, "Zoë", "a, b", "OK", len(body), body.decode()]
    assert found.effects.asked == (f"asked GET {there.url}/people: 200",)
    (sent,) = there.sent
    assert sent.startswith(f"GET /people?q=a+b&n=1&n=2 HTTP/1.1\r\nHost: 127.0.0.1:{there.port}\r\n")
    assert "X-Key: k\r\n" in sent
    assert "Authorization: Basic YWRhOnB3\r\n" in sent


@pytest.mark.parametrize(
    ("call", "sent"),
    [
        ("requests.post(url, json={'a': [1, None]})", 'Content-Type: application/json\r\n|{"a":[1,null]}'),
        ("requests.post(url, {'a': 'b c'})", "Content-Type: application/x-www-form-urlencoded\r\n|a=b+c"),
        ("requests.put(url, data='text')", "PUT /x|text"),
        ("requests.request('patch', url, data=b'raw')", "PATCH /x|raw"),
        ("requests.delete(url)", "DELETE /x"),
        ("requests.head(url)", "HEAD /x"),
    ],
)
async def test_what_is_sent(workers: Workers, call: str, sent: str) -> None:
    async with party(x=ok(b"") if "head" not in call else b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n") as there:
        found = await told(runner(workers, f"127.0.0.1:{there.port}"), f"url = '{there.url}/x'\nreturn {call}.ok")
    assert found.passing
    for part in sent.split("|"):
        assert part in there.sent[0]


async def test_errors_can_be_caught_under_the_names_of_requests(workers: Workers) -> None:
    source = """
import requests
found = []
for path in ("missing", "silent"):
    try:
        requests.get(f"{URL}/{path}", timeout=0.2).raise_for_status()
    except requests.exceptions.Timeout:
        found.append("late")
    except requests.RequestException as problem:
        found.append(str(problem))
return found
"""
    async with party(missing=ok(b"", status="404 Not Found")) as there:
        found = await told(runner(workers, f"127.0.0.1:{there.port}"), source.replace("{URL}", there.url))
    assert found.value == [f"404 Not Found for url: {there.url}/missing", "late"]


async def refused(made: Runner, source: str) -> str:
    with pytest.raises(ExpressionFailed) as caught:
        await told(made, source)
    return str(caught.value)


async def test_a67_nothing_is_asked_by_default(workers: Workers) -> None:
    counts: dict[str, int] = {}
    made = runner(workers, networks=(), counts=counts)
    async with party(x=ok(b"")) as there:
        for source, name in (
            (f"return requests.get('{there.url}/x').ok", "OSTIARY_EXPRESSIONS__HOSTS"),
            ("return resolve_dns('localhost')", "OSTIARY_EXPRESSIONS__HOSTS"),
            ("return reverse_dns('127.0.0.1')", "OSTIARY_EXPRESSIONS__NETWORKS"),
        ):
            message = await refused(made, source)
            assert "PermissionError" in message
            assert name in message
    assert there.sent == []
    assert counts == {"refused": 3}


@pytest.mark.parametrize(
    ("pattern", "url", "allowed"),
    [
        ("api.example.org", "https://api.example.org/x", True),
        ("api.example.org", "http://API.example.org:80/x", True),
        ("api.example.org", "https://api.example.org.:443/x", True),
        ("api.example.org", "https://api.example.org:8443/x", False),
        ("api.example.org:8443", "https://api.example.org:8443/x", True),
        ("api.example.org:8443", "https://api.example.org/x", False),
        ("api.example.org", "https://api.example.org.evil.example/x", False),
        ("api.example.org", "https://evil.example/api.example.org", False),
        ("api.example.org", "https://x.api.example.org/", False),
        (".example.org", "https://x.api.example.org/", True),
        (".example.org", "https://example.org/", False),
        (".example.org", "https://badexample.org/", False),
        ("[2001:db8::1]:9000", "http://[2001:DB8:0::1]:9000/", True),
        ("10.0.0.7", "http://10.0.0.7/", True),
        ("10.0.0.7", "http://167772167/", False),
        ("10.0.0.7", "http://0x0a.0.0.7/", False),
    ],
)
async def test_a67_which_hosts_are_listed(pattern: str, url: str, allowed: bool) -> None:
    from ostiary.web.outgoing.requests import target_of

    target: RequestTarget = target_of(url)
    assert AllowedHosts((pattern,)).allows_target(target) is allowed


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:6379/x", "http://ada:pw@127.0.0.1/",
        "http://127.0.0.1\\\\@evil.example/", "//127.0.0.1/", "http://127.0.0.1/\\r\\nX: y", "", "http://",
    ],
)  # fmt: skip
async def test_a67_only_addresses_of_the_web_are_asked(workers: Workers, url: str) -> None:
    message = await refused(runner(workers, "127.0.0.1"), f"return requests.get('{url}').ok")
    assert "expected an absolute http or https address" in message


async def test_a67_an_allowed_host_leads_into_no_private_network(workers: Workers) -> None:
    async with party(x=ok(b"")) as there:
        made = runner(workers, f"127.0.0.1:{there.port}", f"localhost:{there.port}", networks=())
        for host in ("127.0.0.1", "localhost"):
            message = await refused(made, f"return requests.get('http://{host}:{there.port}/x').ok")
            assert "private address: OSTIARY_EXPRESSIONS__NETWORKS" in message
        other = runner(workers, f"127.0.0.1:{there.port}", networks=(ipaddress.IPv4Network("10.0.0.0/8"),))
        assert "private address" in await refused(other, f"return requests.get('{there.url}/x').ok")
    assert there.sent == []


async def test_a67_the_address_that_was_verified_is_the_one(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose second look-up leads elsewhere (DNS rebinding) is looked up once."""
    loop, asked = asyncio.get_running_loop(), []
    genuine = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **more: Any) -> Any:
        if host != "api.example.org":
            return await genuine(host, port, **more)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1" if len(asked) == 1 else "192.0.2.1", port))]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with party(x=ok(b"")) as there:
        made = runner(workers, f"api.example.org:{there.port}")
        assert (await told(made, f"return requests.get('http://api.example.org:{there.port}/x').ok")).passing
        asked.append("later")
        private = runner(workers, f"api.example.org:{there.port}", networks=())
        asked.clear()
        assert "private address" in await refused(
            private, f"return requests.get('http://api.example.org:{there.port}/x').ok"
        )
    assert len(there.sent) == 1


async def test_a67_redirects_stay_in_the_list(workers: Workers) -> None:
    async with party(
        start=ok(b"", "Location: /end?a=1", status="302 Found"),
        out=ok(b"", "Location: http://evil.example/x", status="302 Found"),
        metadata=ok(b"", "Location: http://169.254.169.254/latest/", status="307 T"),
        file=ok(b"", "Location: file:///etc/passwd", status="302 Found"),
        round=ok(b"", "Location: /round", status="302 Found"),
        end=ok(b"there"),
    ) as there:
        made = runner(workers, f"127.0.0.1:{there.port}")
        found = await told(made, f"a = requests.post('{there.url}/start', json={{}})\nreturn [a.text, a.url]")
        assert found.value == ["there", f"{there.url}/end?a=1"]
        assert there.sent[1].startswith("GET /end?a=1 ")
        assert "Content-Type" not in there.sent[1]
        unfollowed = await told(made, f"return requests.get('{there.url}/out', allow_redirects=False).status_code")
        assert unfollowed.value == 302
        there.sent.clear()
        for path, reason in (
            ("out", "evil.example may not be asked: OSTIARY_EXPRESSIONS__HOSTS"),
            ("metadata", "169.254.169.254 may not be asked"),
            ("file", "expected an absolute http or https address"),
            ("round", f"{MAX_REQUESTS} times at most"),
        ):
            assert reason in await refused(made, f"return requests.get('{there.url}/{path}').ok")
    assert len(there.sent) == 3 + MAX_REQUESTS


async def test_a67_credentials_stay_with_their_host(workers: Workers) -> None:
    async with party(end=ok(b"")) as other, party() as there:
        there.answers["/start"] = ok(b"", f"Location: http://localhost:{other.port}/end", status="302 Found")
        made = runner(
            workers,
            f"127.0.0.1:{there.port}",
            f"localhost:{other.port}",
            networks=(*LOOPBACK, ipaddress.IPv6Network("::1/128")),
        )
        source = f"return requests.get('{there.url}/start', headers={{'Authorization': 'Bearer s', 'X-A': 'b'}}).ok"
        assert (await told(made, source)).passing
    assert "Authorization: Bearer s" in there.sent[0]
    assert "Bearer" not in other.sent[0]
    assert "X-A: b" in other.sent[0]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ("{'X': 'a\\r\\nY: b'}", "malformed"),
        ("{'X\\r\\nY': 'b'}", "malformed"),
        ("{'Host': 'other.example'}", "cannot be set"),
        ("{'Content-Length': '0'}", "cannot be set"),
        ("{'transfer-encoding': 'chunked'}", "cannot be set"),
    ],
)
async def test_a67_a_header_is_one_header(workers: Workers, headers: str, reason: str) -> None:
    async with party(x=ok(b"")) as there:
        made = runner(workers, f"127.0.0.1:{there.port}")
        assert reason in await refused(made, f"return requests.get('{there.url}/x', headers={headers}).ok")
    assert there.sent == []


async def test_a67_size_is_limited(workers: Workers) -> None:
    async with party(
        long=ok(b"x" * (MAX_RESPONSE + 1)),
        endless=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_RESPONSE + 70_000),
        full=ok(b"x" * MAX_RESPONSE),
    ) as there:
        made = runner(workers, f"127.0.0.1:{there.port}")
        for path in ("long", "endless"):
            assert "too long" in await refused(made, f"return requests.get('{there.url}/{path}').ok")
        assert (await told(made, f"return len(requests.get('{there.url}/full').content)")).value == MAX_RESPONSE


async def test_a56_waiting_counts_in_the_deadline_of_the_run() -> None:
    workers = Workers(Limits(deadline=1))
    try:
        async with party() as there:
            made = runner(workers, f"127.0.0.1:{there.port}")
            source = f"while True:\n    try:\n        requests.get('{there.url}/x', timeout=25)\n    except Exception:\n        pass"
            assert "more than 1 seconds" in await refused(made, source)
    finally:
        await workers.close()


async def test_a80_a_trial_asks_nobody(workers: Workers) -> None:
    trial = dataclasses.replace(CONTEXT, trial=True)
    async with party(x=ok(b"")) as there:
        made = runner(workers, f"127.0.0.1:{there.port}", "localhost")
        for source, what in (
            (f"return requests.get('{there.url}/x?key=secret').ok", f"the answer to GET {there.url}/x"),
            (
                "try:\n    return resolve_dns('localhost')\nexcept BaseException:\n    pass",
                "the address of localhost (DNS)",
            ),
            ("return reverse_dns('127.0.0.1')", "the name of 127.0.0.1 (DNS)"),
        ):
            found = await told(made, source, trial)
            assert (found.depends, found.effects.asked) == (what, ())
        with pytest.raises(ExpressionFailed, match="OSTIARY_EXPRESSIONS__HOSTS"):
            await told(made, "return requests.get('https://other.example/').ok", trial)
    assert there.sent == []


async def test_names_and_addresses_are_looked_up(workers: Workers) -> None:
    made = runner(workers, "localhost", ".house.example", networks=(*LOOPBACK, ipaddress.IPv6Network("::1/128")))
    found = await told(
        made,
        "return [resolve_dns('localhost', 4), resolve_dns('LOCALHOST.', ip_version=6), resolve_dns('no.house.example')]",
    )
    four, six, nothing = cast("list[list[str]]", found.value)
    assert (four, nothing) == (["127.0.0.1"], [])
    assert six in (["::1"], [])
    assert "asked for the address of localhost" in found.effects.asked[0]
    assert (await told(made, "return reverse_dns('127.0.0.1')")).value in {"localhost", "127.0.0.1"} | {
        socket.gethostname()
    }
    assert "PermissionError" in await refused(made, "return reverse_dns('192.0.2.1')")


@pytest.mark.parametrize(
    ("address", "admitted"),
    [
        ("8.8.8.8", True), ("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.2.3", True), ("::ffff:10.2.0.1", False),
        ("64:ff9b::a01:203", True), ("64:ff9b::a02:1", False), ("127.0.0.1", False), ("169.254.169.254", False),
        ("fd00::1", False), ("2606:4700::1111", True), ("224.0.0.1", False), ("0.0.0.0", False),
    ],
)  # fmt: skip
async def test_a67_which_addresses_are_admitted(address: str, admitted: bool) -> None:
    allowed = AllowedHosts(("x.example",), (ipaddress.IPv4Network("10.1.0.0/16"),))
    assert allowed.admits(ipaddress.ip_address(address)) is admitted


@pytest.mark.parametrize("option", ["verify=False", "proxies={}", "cert='x'", "stream=True"])
async def test_what_is_not_there_is_said(workers: Workers, option: str) -> None:
    message = await refused(runner(workers, "127.0.0.1"), f"return requests.get('http://127.0.0.1/', {option}).ok")
    assert "TypeError" in message
