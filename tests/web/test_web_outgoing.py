"""Outgoing POST requests: their content, no redirects, and the time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from support.waiting import PATIENCE

from ostiary.web.outgoing.requests import OutgoingFailed, post_form, url_problem

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def party(answer: Answer) -> AsyncIterator[str]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def responds(text: bytes, requests: list[bytes] | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if requests is not None:
            requests.append(head + body)
        writer.write(text)
        await writer.drain()
        writer.close()

    return answer


async def test_a_form_is_posted() -> None:
    requests: list[bytes] = []
    async with party(responds(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", requests)) as url:
        assert await post_form(f"{url}/out?a=b c".replace(" ", "%20"), [("logout_token", "a.b+c"), ("x", "é&")]) == 200
    (request,) = requests
    assert request.startswith(b"POST /out?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in request
    assert request.endswith(b"\r\n\r\nlogout_token=a.b%2Bc&x=%C3%A9%26")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.0 500\r\n\r\n", 500),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n", 302),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", 200),
    ],
)
async def test_only_the_status_is_read(text: bytes, status: int) -> None:
    async with party(responds(text)) as url:
        assert await post_form(url, [("a", "b")]) == status


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 999 x\r\n\r\n",
        b"HTTP/1.1 200" + b"x" * 40_000,
        b"HTTP/1.1 100 x\r\n" + b"a: b\r\n" * 9_000,
        b"HTTP/1.1 100 x\r\n\r\n" * 9,
    ],
)
async def test_a_malformed_response_fails(text: bytes) -> None:
    async with party(responds(text)) as url:
        with pytest.raises(OutgoingFailed):
            await post_form(url, [("a", "b")])


async def test_a_silent_server_times_out() -> None:
    disconnected = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await disconnected.wait()
        writer.close()

    async with party(silent) as url:
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(OutgoingFailed, match="within"):
                await post_form(url, [("a", "b")], seconds=0.3)
        disconnected.set()


async def test_an_endless_body_is_not_read() -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        nonlocal sent
        try:
            while sent < 2_000:
                sent += 1
                writer.write(b"x" * 65_536)
                await writer.drain()
        except OSError:
            pass
        writer.close()

    async with party(endless) as url:
        assert await post_form(url, [("a", "b")]) == 200
    assert sent < 2_000, "the rest of the body was awaited"


async def test_a_refused_connection_fails() -> None:
    with pytest.raises(OutgoingFailed):
        await post_form("http://127.0.0.1:9/", [("a", "b")])


@pytest.mark.parametrize(
    "url",
    [
        "", "/logout", "ftp://a.example/", "javascript:alert(1)", "https://", "https://user@a.example/", "https://a/#b",
        "https://a\\b/", "https://a.example:99999/", "https://a.example/ x", "https://a.example/\r\nx: y",
        "https://ä.example/", "https://a.example/" + "x" * 3_000, "http://[::1/",
    ],
)  # fmt: skip
async def test_refused_addresses_of_posts(url: str) -> None:
    assert url_problem(url) is not None
    with pytest.raises(OutgoingFailed):
        await post_form(url, [])


def test_configured_private_addresses_are_allowed() -> None:
    for url in ("http://192.168.1.4/out", "http://[::1]:8080/", "https://app.internal/a?b=c"):
        assert url_problem(url) is None
