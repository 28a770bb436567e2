"""Clients that are slow, greedy or many, against a real listener on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from ostiary.app.listening import connection, connection_limits
from ostiary.app.listening.listener import Listener
from ostiary.settings import Address
from ostiary.web import request as web_request
from ostiary.web.asgi import Site
from ostiary.web.errors import HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response, json

pytestmark = pytest.mark.both_loops

BODY = b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n"
GET = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"
Connect = Callable[[], Any]
BUSY: list[asyncio.Event] = []  # what the handler of /busy waits for: the last


async def answer(request: Request) -> Response:
    if request.path == "/big":
        return Response(200, b"x" * 8_000_000, [])
    if request.path == "/split":
        return Response(302, b"", [("location", "/a\r\nx-evil: 1\r\n\r\n<script>")])
    if request.path == "/busy":
        await BUSY[-1].wait()
    if request.method == "POST" and request.path == "/echo":
        await request.body()
    if request.method not in {"GET", "POST"}:
        raise HttpError(405, "method_not_allowed")
    if request.path == "/host":
        return json({"path": f"/host {request.host} {request.query}"})
    return json({"path": request.path, "headers": sorted(request.headers)})


class Client:
    """One connection, octet by octet."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read(self, seconds: float = 5) -> bytes:
        """Everything until the server ends the connection. Fails when it does not."""
        try:
            return await asyncio.wait_for(self.reader.read(), seconds)
        except ConnectionError:
            return b""

    async def status(self) -> int:
        line = await asyncio.wait_for(self.reader.readline(), 60)
        return int(line.split()[1])

    async def rest(self) -> bytes:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 60)
        size = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        return await asyncio.wait_for(self.reader.readexactly(size), 60)

    def close(self) -> None:
        self.writer.transport.abort()


@pytest.fixture
async def connect(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connect]:
    """A listener whose patience is short."""
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 0.4)
    monkeypatch.setattr(connection, "WRITE_TIMEOUT", 0.4)
    monkeypatch.setattr(web_request, "BODY_SECONDS", 0.4)
    monkeypatch.setattr(connection_limits, "HEALTH_CONNECTIONS", 1)
    BUSY.append(asyncio.Event())
    listener = Listener(
        Site(answer), Address("127.0.0.1", 0), setting="TEST", limits=connection_limits.ConnectionLimits(5)
    )
    await listener.start()
    port = listener.port
    clients: list[Client] = []

    async def make() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    yield make
    BUSY.pop().set()
    for client in clients:
        client.close()
    await listener.stop()


async def dribble(client: Client, data: bytes, pause: float) -> None:
    with contextlib.suppress(ConnectionError):
        for octet in data:
            await client.send(bytes([octet]))
            await asyncio.sleep(pause)


async def cut_off(client: Client) -> float:
    """Wait until the server has ended the connection; return the seconds."""
    started = time.monotonic()
    await client.read()
    return time.monotonic() - started


async def test_an_honest_request_is_answered(connect: Connect) -> None:
    client = await connect()
    for _ in range(3):
        await client.send(GET)
        assert await client.status() == 200
        await client.rest()


async def test_a69_who_says_nothing_is_cut_off(connect: Connect) -> None:
    assert 0.2 < await cut_off(await connect()) < 3


async def test_a69_a_head_that_dribbles_is_cut_off(connect: Connect) -> None:
    client = await connect()
    slow = asyncio.create_task(dribble(client, b"GET / HTTP/1.1\r\nx: " + b"y" * 1000, 0.02))
    assert await cut_off(client) < 3
    slow.cancel()


async def test_a69_the_second_head_of_a_connection_too(connect: Connect) -> None:
    client = await connect()
    await client.send(GET)
    assert await client.status() == 200
    await client.rest()
    slow = asyncio.create_task(dribble(client, b"\r\n" * 50 + b"GET / HTTP/1.1\r\nx: " + b"y" * 1000, 0.02))
    assert await cut_off(client) < 3
    slow.cancel()


async def test_a69_a_body_that_dribbles_is_told_and_cut_off(connect: Connect) -> None:
    client = await connect()
    await client.send(BODY + b"content-length: 1000\r\n\r\n")
    slow = asyncio.create_task(dribble(client, b"z" * 1000, 0.02))
    assert await client.status() == 408
    assert await cut_off(client) < 3
    slow.cancel()


async def test_a69_a_body_nobody_wants_is_not_read_for_ever(connect: Connect) -> None:
    """The answer was given before the body came: what follows is read for a while, and no longer."""
    client = await connect()
    await client.send(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n")
    assert await client.status() == 200
    slow = asyncio.create_task(dribble(client, b"z" * 1000, 0.02))
    assert await cut_off(client) < 3
    slow.cancel()


async def test_a69_a_head_without_end(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 30)
    client = await connect()
    await client.send(b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ")
    with contextlib.suppress(ConnectionError):
        for _ in range(20):
            await client.send(b"y" * 8192)
            await asyncio.sleep(0.001)
    assert await cut_off(client) < 3


@pytest.mark.parametrize(
    "frame", [b"1;" + b"e" * 60_000 + b"\r\nx\r\n", b"0\r\nt: " + b"y" * 60_000], ids=["extension", "trailer"]
)
async def test_a69_framing_without_end(connect: Connect, monkeypatch: pytest.MonkeyPatch, frame: bytes) -> None:
    """Chunk extensions and trailers are octets too (as in CVE-2023-39326)."""
    monkeypatch.setattr(web_request, "BODY_SECONDS", 30)
    client = await connect()
    with contextlib.suppress(ConnectionError):
        await client.send(BODY + b"transfer-encoding: chunked\r\n\r\n" + frame)
        for _ in range(40):
            await asyncio.sleep(0.001)
            await client.send(frame if frame.startswith(b"1;") else b"y" * 8192)
    assert await cut_off(client) < 3


async def test_a69_small_chunks_are_honest(connect: Connect) -> None:
    client = await connect()
    await client.send(BODY + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
    assert await client.status() == 200


async def test_a48_a_trailer_is_no_header(connect: Connect) -> None:
    """RFC 9110 6.5.1: a proxy has not looked at it."""
    client = await connect()
    await client.send(BODY + b"transfer-encoding: chunked\r\n\r\n0\r\nx-forwarded-for: 192.0.2.9\r\n\r\n")
    assert await client.status() == 200
    assert b"x-forwarded-for" not in await client.rest()


async def test_a47_an_answer_cannot_be_split(connect: Connect) -> None:
    """A header of ours with a line break in it, wherever that came from, is not sent."""
    client = await connect()
    await client.send(b"GET /split HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    found = await client.read()
    assert found.startswith(b"HTTP/1.1 500")
    assert b"evil" not in found


async def test_a69_who_does_not_read_is_given_up(connect: Connect) -> None:
    client = await connect()
    client.writer.transport.pause_reading()
    await client.send(b"GET /big HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(1.2)
    client.writer.transport.resume_reading()
    assert len(await client.read()) < 8_000_000


async def test_a69_a_flood_of_connections_does_not_keep_others_out(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 30)
    first = await connect()
    for _ in range(20):
        await (await connect()).send(b"GET / HTTP/1.1\r\n")
        await asyncio.sleep(0.002)
    assert await cut_off(first) < 3  # it had waited longest
    honest = await connect()
    await honest.send(GET)
    assert await honest.status() == 200


async def test_a69_who_is_being_served_keeps_the_seat(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_TIMEOUT", 30)
    served = [await connect() for _ in range(5)]
    for client in served:
        await client.send(b"GET /busy HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(0.1)
    first = await connect()  # there is one seat more, for health
    for _ in range(3):
        last = await connect()
    assert await cut_off(first) < 3
    await last.send(GET)
    assert await last.status() == 503
    BUSY[-1].set()
    for client in served:
        assert await client.status() == 200


async def test_a74_pages_of_health_have_a_seat_when_all_are_taken(connect: Connect) -> None:
    for _ in range(5):
        await (await connect()).send(b"GET /busy HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await asyncio.sleep(0.1)
    probe = await connect()
    for _ in range(3):
        await probe.send(b"GET /-/health/live/ HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert await probe.status() == 200
        await probe.rest()
    await probe.send(GET)
    assert await probe.status() == 503
    BUSY[-1].set()
    await asyncio.sleep(0.1)
    honest = await connect()
    await honest.send(GET)
    assert await honest.status() == 200


async def test_a74_bodies_that_do_not_come_give_way(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_request, "BODY_SECONDS", 30)
    waiting = [await connect() for _ in range(5)]
    for client in waiting:
        await client.send(BODY + b"content-length: 2\r\n\r\n")
        await asyncio.sleep(0.02)
    await waiting[0].send(b"o")  # a little of it does not make it the last in the line
    honest = await connect()
    await honest.send(GET)
    assert await honest.status() == 200
    assert await waiting[0].status() == 503
    await waiting[1].send(b"ok")
    assert await waiting[1].status() == 200


@pytest.mark.parametrize(
    "data",
    [
        BODY + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        BODY + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        BODY + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        BODY + b"content-length: +2\r\n\r\nab",
        BODY + b"content-length : 2\r\n\r\nab",
        BODY + b"transfer-encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n folded: 1\r\n\r\n",
        b"GET /\x80 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=[
        "two lengths", "length and chunks", "odd coding", "signed length", "space", "negative chunk", "two hosts",
        "folded", "octets", "no host", "method", "connect", "tls",
    ],
)  # fmt: skip
async def test_a69_what_two_programs_could_read_differently_is_refused(connect: Connect, data: bytes) -> None:
    client = await connect()
    await client.send(data)
    assert 400 <= await client.status() < 500
    with contextlib.suppress(TimeoutError):
        assert b"HTTP/1.1" not in await client.read(0.7)


async def test_a69_an_unknown_method_is_405(connect: Connect) -> None:
    client = await connect()
    await client.send(b"PROPFIND / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert await client.status() == 405


UPGRADES = ["foo", "websocket", "h2c", "foo\r\nconnection: upgrade", "HTTP/2.0, SHTTP/1.3"]
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: localhost\r\n\r\n"


def upgrade(wanted: str, body: bytes, *, chunked: bool = False) -> bytes:
    """The head of a request that asks for another protocol, and brings a body."""
    framing = "transfer-encoding: chunked" if chunked else f"content-length: {len(body)}"
    return f"POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: {wanted}\r\n{framing}\r\n\r\n".encode()


@pytest.mark.parametrize("wanted", UPGRADES)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("at", [0, 1, 20, 10_000], ids=["after the head", "one octet", "within", "in one piece"])
async def test_a71_the_body_of_a_request_with_upgrade_is_no_request(
    connect: Connect, wanted: str, chunked: bool, at: int
) -> None:
    """RFC 9110 7.8: who does not switch reads the request as it is. Wherever the segments are cut, it is one."""
    client = await connect()
    head = upgrade(wanted, SMUGGLED, chunked=chunked)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED) if chunked else SMUGGLED
    follows = b"GET /next HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    await client.send(head + body[:at])
    await asyncio.sleep(0.02)
    await client.send(body[at:] + follows)
    answers = await client.read()
    assert answers.count(b"HTTP/1.1 200 ") == answers.count(b"HTTP/1.1 ") == 2
    assert b"/smuggled" not in answers
    assert answers.count(b"/next") == 1


async def test_a71_several_of_them_in_one_piece(connect: Connect) -> None:
    client = await connect()
    one = upgrade("foo", SMUGGLED) + SMUGGLED
    await client.send(one * 3 + b"GET /next HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    answers = await client.read()
    assert answers.count(b"HTTP/1.1 200 ") == answers.count(b"HTTP/1.1 ") == 4
    assert b"/smuggled" not in answers


@pytest.mark.parametrize(
    ("framing", "status"),
    [
        ("content-length: 3\r\ntransfer-encoding: chunked", 400),
        ("transfer-encoding: xchunked", 501),
        ("transfer-encoding: gzip, chunked", 501),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked", 400),
    ],
)
async def test_a71_odd_framing_is_refused_with_upgrade_too(connect: Connect, framing: str, status: int) -> None:
    client = await connect()
    head = f"POST /echo HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: foo\r\n{framing}\r\n\r\n"
    await client.send(head.encode() + SMUGGLED)
    answers = await client.read()
    assert answers.startswith(b"HTTP/1.1 %d " % status)
    assert b"/smuggled" not in answers
    assert answers.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked", 400),
        ("CONNECT localhost:80 HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET ftp://localhost/ HTTP/1.1", 400),
        ("GET http://a@localhost/ HTTP/1.1", 400),
        ("GET / HTTP/2.0", 505),
        ("GET /", 505),
    ],
)
async def test_a71_what_no_client_sends_to_a_server_ends_the_connection(
    connect: Connect, head: str, status: int
) -> None:
    client = await connect()
    await client.send(f"{head}\r\nhost: localhost\r\n\r\n".encode() + SMUGGLED)
    answers = await client.read()
    assert answers.startswith(b"HTTP/1.1 %d " % status)
    assert answers.count(b"HTTP/1.1 ") == 1


async def test_a71_chunks_are_unknown_in_http_1_0(connect: Connect) -> None:
    """RFC 9112 6.1: the framing of such a request is faulty, also where its chunks are not."""
    client = await connect()
    await client.send(b"POST /echo HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
    assert await client.status() == 400


async def test_a47_the_host_of_a_whole_address_counts(connect: Connect) -> None:
    """RFC 9112 3.2.2: the Host header beside it is not believed."""
    client = await connect()
    await client.send(b"GET http://other.example:80/host?x HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    assert b'"path":"/host other.example x"' in await client.read()


def test_the_number_of_seats_follows_the_limit_of_files(monkeypatch: pytest.MonkeyPatch) -> None:
    apart = (
        connection_limits.RESERVED_FILES
        + connection_limits.METRICS_CONNECTIONS
        + 2 * connection_limits.HEALTH_CONNECTIONS
    )
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1024))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert connection_limits.connection_limit() == 1024 - apart
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 524_288))
    assert connection_limits.connection_limit() == connection_limits.MAX_CONNECTIONS
    monkeypatch.setattr(resource, "getrlimit", lambda _: (-1, -1))
    assert connection_limits.connection_limit() == connection_limits.MAX_CONNECTIONS
