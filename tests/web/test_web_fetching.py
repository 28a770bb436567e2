"""The fetching of documents: limits of size and time, no redirects, no private networks."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.waiting import PATIENCE

from ostiary.web.outgoing.documents import DOCUMENT_LIMIT, document_url_problem, fetch_json
from ostiary.web.outgoing.requests import OutgoingFailed


@asynccontextmanager
async def party(*texts: bytes, requests: list[bytes] | None = None, stay: bool = False) -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(head)
        try:
            for text in texts:
                writer.write(text)
                await writer.drain()
                await asyncio.sleep(0)
            if stay:
                await reader.read()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def failure(url: str, **options: Any) -> str:
    with pytest.raises(OutgoingFailed) as caught:
        await fetch_json(url, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "texts",
    [
        (b'HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n{"a":1}',),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{", b'"a\r\n4\r\n":1}\r\n0\r\n\r\n'),
        (b'HTTP/1.1 200 OK\r\n\r\n{"a"', b":1}"),
        (b'HTTP/1.0 200 OK\r\n\r\n{"a":1}',),
    ],
)
async def test_a_document_is_fetched(texts: tuple[bytes, ...]) -> None:
    requests: list[bytes] = []
    async with party(*texts, requests=requests) as url:
        assert await fetch_json(f"{url}/jwks?x=1") == {"a": 1}
    assert requests[0].startswith(b"GET /jwks?x=1 HTTP/1.1\r\nHost: 127.0.0.1:")


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ((b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\n{}",), "status 302"),
        ((b"HTTP/1.1 404 X\r\ncontent-length: 2\r\n\r\n{}",), "status 404"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",), "incomplete"),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",), "incomplete"),
        ((b"SSH-2.0-x\r\n\r\n",), "not HTTP"),
        ((b"",), "incomplete"),
        ((b"HTTP/1.1 200 OK\r\n\r\n<html>",), "not JSON"),
        ((b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 200_000,), "not JSON"),
    ],
)
async def test_a_malformed_document_is_refused(texts: tuple[bytes, ...], reason: str) -> None:
    async with party(*texts) as url:
        assert reason in await failure(url)


async def test_a67_size_and_time_are_limited() -> None:
    async with party(b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * 65_536] * 5, stay=True) as url:
        assert "too long" in await failure(url)
    assert DOCUMENT_LIMIT < 5 * 65_536
    async with party(b"HTTP/1.1 200 OK\r\n", *[b"x-y: " + b"z" * 8000 + b"\r\n"] * 5, stay=True) as url:
        assert "too long" in await failure(url)
    async with party(b"HTTP/1.1 200 OK\r\n\r\n{", stay=True) as url:
        async with asyncio.timeout(PATIENCE):
            assert "within 0.2 seconds" in await failure(url, seconds=0.2)


@pytest.mark.parametrize(
    "url", ["https://forge.example/jwks", "http://localhost:1/", "http://127.1.2.3/", "http://[::1]/"]
)
def test_document_url_problems(url: str) -> None:
    assert document_url_problem(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://forge.example/",
        "http://10.0.0.1/",
        "http://localhost.example/",
        "http://0x7f.1/",
        "file:///etc/passwd",
        "x",
    ],
)
async def test_a67_unprotected_addresses_are_refused(url: str) -> None:
    assert document_url_problem(url) is not None
    assert "expected" in await failure(url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "[::1]", "[fe80::1]", "0.0.0.0",
     "[fd00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "224.0.0.1"],
)  # fmt: skip
async def test_a67_an_untrusted_address_never_leads_into_a_private_network(host: str) -> None:
    assert "private address" in await failure(f"https://{host}:9/", public=True)


async def test_a67_the_connection_goes_to_the_verified_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a name resolves to a public address first, and to a private one later."""
    reached: list[str] = []

    async def look_up(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]

    async def reach(host: str, *_: object, **options: Any) -> Any:
        reached.extend([host, options["server_hostname"]])
        raise OSError("nobody is there")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    monkeypatch.setattr(asyncio, "open_connection", reach)
    assert "nobody is there" in await failure("https://forge.example/", public=True)
    assert reached == ["93.184.216.34", "forge.example"]
    assert ipaddress.ip_address("93.184.216.34").is_global
