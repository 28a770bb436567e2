"""Headers reserved for trusted proxies."""

from __future__ import annotations

from typing import Any

import pytest

from ostiary.web.asgi import Site
from ostiary.web.proxies import Proxies
from ostiary.web.request import Request
from ostiary.web.response import Response


async def received(
    peer: str, *headers: tuple[bytes, bytes], proxied: tuple[str, ...] = ("client-cert",)
) -> tuple[int, str | None]:
    found: list[str | None] = []

    async def handler(request: Request) -> Response:
        found.append(request.headers.get("client-cert"))
        return Response(200)

    site = Site(handler, proxies=Proxies(["10.0.0.0/8"]), from_proxies=proxied)
    sent: list[Any] = []
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "scheme": "http", "client": (peer, 1),
        "headers": [(b"host", b"id.example.org"), *headers],
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await site(scope, receive, send)
    return sent[0]["status"], found[0] if found else None


@pytest.mark.parametrize(
    ("peer", "expected"), [("10.1.2.3", "x"), ("192.0.2.1", None), ("::1", None), ("::ffff:10.0.0.1", "x"), ("", None)]
)
async def test_a43_reserved_headers_are_accepted_from_trusted_proxies_only(peer: str, expected: str | None) -> None:
    assert await received(peer, (b"Client-Cert", b"x")) == (200, expected)


async def test_a_repeated_reserved_header_is_refused() -> None:
    assert (await received("10.1.2.3", (b"client-cert", b"x"), (b"Client-Cert", b"y")))[0] == 400


async def test_a_forwarded_address_is_not_a_trusted_proxy() -> None:
    assert await received("192.0.2.1", (b"client-cert", b"x"), (b"x-forwarded-for", b"10.1.2.3")) == (200, None)
