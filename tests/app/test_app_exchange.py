"""HTTP/1.1 on a real socket: requests in their order, bodies as they come, answers that are whole, and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

import pytest
from support.ports import free_port

from ostiary.app.listening import connection
from ostiary.app.listening.heads import http_date
from ostiary.app.listening.listener import Listener
from ostiary.settings import Address
from ostiary.web.asgi import Site
from ostiary.web.request import Request
from ostiary.web.response import Response, json

pytestmark = pytest.mark.both_loops

Ask = Callable[..., Awaitable[bytes]]


async def handle(request: Request) -> Response:
    match request.path:
        case "/empty":
            return Response(204)
        case "/slow":
            await asyncio.sleep(0.05)
        case "/broken":
            return Response(200, b"", [("x-broken", "a\r\nset-cookie: b")])
        case "/large":
            return Response(200, b"x" * 3_000_000, [("content-type", "text/plain")])
    return json({"path": request.path, "size": len(await request.body(1_000_000))})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connection, "IDLE_TIMEOUT", 3)
    made = Listener(Site(handle), Address("127.0.0.1", free_port()), setting="test")
    await made.start()
    yield made.address.port
    await made.stop()


async def exchange(port: int, *sent: bytes, pause: float = 0.02) -> bytes:
    """Send pieces and read until the server closes, which the last request asks for."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for one in sent:
        writer.write(one)
        await writer.drain()
        await asyncio.sleep(pause)
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return answer


def get(path: str, *more: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "host: localhost", *more, "", ""]).encode()


async def test_one_connection_serves_several(port: int) -> None:
    answer = await exchange(port, get("/a"), get("/b"), get("/c", "connection: close"))
    assert [answer.count(f'"/{name}"'.encode()) for name in "abc"] == [1, 1, 1]
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert answer.count(b"connection: close") == 1


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    answer = await exchange(port, get("/slow") + get("/b") + get("/c", "connection: close"))
    assert answer.index(b'"/slow"') < answer.index(b'"/b"') < answer.index(b'"/c"')


async def test_a_body_that_comes_late_is_waited_for(port: int) -> None:
    head = b"POST /late HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\nconnection: close\r\n\r\n"
    assert b'"size":10' in await exchange(port, head, b"12345", b"67890")
    assert b'"size":10' in await exchange(port, head + b"1234567890")


async def test_a_body_in_chunks(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    assert b'"size":6' in await exchange(port, head, b"3\r\nabc\r\n", b"3\r\ndef\r\n0\r\n\r\n")


async def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    head = (
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n"
    )
    answer = await exchange(port, head, b"abc")
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_who_was_never_told_to_go_on_sends_nothing_more(port: int) -> None:
    """A proxy that takes the answer for the end of the request must not have the next one read as its body."""
    head = b"POST /empty HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60\r\nexpect: 100-continue\r\n\r\n"
    answer = await asyncio.wait_for(exchange(port, head), 60)
    assert answer.startswith(b"HTTP/1.1 204 ")
    assert b"connection: close\r\n" in answer


async def test_bytes_that_are_no_request_are_not_answered_in_place_of_one(port: int) -> None:
    answer = await exchange(port, get("/slow") + b"no request\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"/slow"' in answer
    answer = await exchange(port, get("/slow") + get("/b") + b"no request\r\n\r\n")
    assert answer.index(b'"/slow"') < answer.index(b'"/b"')
    assert answer.count(b"HTTP/1.1 ") == 2


async def test_bytes_that_are_no_request_are_told(port: int) -> None:
    assert (await exchange(port, b"no request\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
    assert b"HTTP/1.1 400 " in await exchange(port, get("/a"), b"no request\r\n\r\n")
    chunked = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await exchange(port, chunked, b"no chunk\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_head_has_the_length_and_no_body(port: int) -> None:
    answer = await exchange(port, get("/a", "connection: close", method="HEAD"))
    assert b"content-length: 22\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


async def test_an_answer_without_a_body_has_no_length(port: int) -> None:
    answer = await exchange(port, get("/empty"), get("/a", "connection: close"))
    assert answer.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"content-length" not in answer.partition(b"\r\n\r\n")[0]


async def test_the_old_version_is_answered_and_closed(port: int) -> None:
    assert b'"/a"' in await exchange(port, get("/a", version="1.0"))


async def test_a_header_that_would_be_two_is_not_sent(port: int) -> None:
    answer = await exchange(port, get("/broken", "connection: close"))
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in answer


async def test_a_large_answer_arrives_whole(port: int) -> None:
    answer = await exchange(port, get("/large"), get("/large", "connection: close"))
    assert answer.count(b"x" * 3_000_000) == 2


async def test_an_idle_connection_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    loop = asyncio.get_running_loop()
    for _ in range(3):  # each request puts the end off
        writer.write(get("/a"))
        await reader.readuntil(b"}")
        await asyncio.sleep(1.2)
    begun = loop.time()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert loop.time() - begun >= 0.3
    writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        get("/slow"),
        get("/slow") * 3,
        get("/large") * 2,
        b"POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n",
    ],
    ids=["one", "pipelined", "large", "a body that does not come"],
)
async def test_who_leaves_before_the_answer_leaves_no_traceback(
    port: int, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer to somebody who has gone is dropped: nothing is written to a transport that is closed."""
    for _ in range(5):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.transport.abort()
    await asyncio.sleep(0.3)
    assert b'"/a"' in await exchange(port, get("/a", "connection: close"))
    assert [record.message for record in caplog.records if record.levelname != "DEBUG"] == []


async def test_who_says_that_nothing_more_is_asked_is_answered(port: int) -> None:
    """A client may shut its side down after the request (RFC 9112 9.6)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get("/slow") + get("/b"))
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 60)
    assert answer.index(b'"/slow"') < answer.index(b'"/b"')
    writer.close()


def test_a_date_is_that_of_the_standard_library() -> None:
    for second in range(0, 2**33, 17 * 86_400 + 3_661):
        assert http_date(second) == formatdate(second, usegmt=True)
