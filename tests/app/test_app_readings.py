"""The same octets read by us and by two servers nobody here wrote: no request is found that the others do not find.

Where two programs on the way of a request disagree on where it ends, a stranger can put a request of his own in front
of somebody else's (RFC 9112 11.2). Octets are cut into arbitrary pieces: what is read must not depend on it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from ostiary.app.listening.connection import Connection
from ostiary.app.listening.connection_limits import ConnectionLimits
from ostiary.app.listening.endpoint import Endpoint

Application = Callable[..., Any]
Asked = tuple[str, bytes, bytes, bytes]  # method, path, query, body

SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
MODEST: Final = settings(max_examples=80)


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 80)})
        self.written = b""
        self.closed = self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    abort = close

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass


def ours(application: Application) -> asyncio.Protocol:
    return Connection(Endpoint(application, ConnectionLimits(), None), None, "192.0.2.1")  # type: ignore[arg-type] # no socket


def uvicorns(protocol: Any) -> Callable[[Application], asyncio.Protocol]:
    def make(application: Application) -> asyncio.Protocol:
        config = Config(application, log_config=None, access_log=False, ws="none", lifespan="off")
        config.load()
        made: asyncio.Protocol = protocol(config=config, server_state=ServerState(), app_state={})
        return made

    return make


async def _read(make: Callable[[Application], asyncio.Protocol], pieces: Sequence[bytes]) -> tuple[list[Asked], bytes]:
    asked: list[Asked] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        asked.append((scope["method"], scope["raw_path"], scope["query_string"], body))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    protocol, wire = make(application), Wire()
    protocol.connection_made(wire)
    for piece in pieces:
        if wire.closed:
            break
        protocol.data_received(piece)
        for _ in range(200):
            await asyncio.sleep(0)
            if not wire.paused:
                break
    for _ in range(40):
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    for _ in range(5):
        await asyncio.sleep(0)
    return asked, wire.written


def read(make: Callable[[Application], asyncio.Protocol], pieces: Sequence[bytes]) -> tuple[list[Asked], list[bytes]]:
    """What was asked, and the status of each answer."""
    asked, written = asyncio.run(_read(make, pieces))
    return asked, [part[:3] for part in written.split(b"HTTP/1.1 ")[1:] if not part.startswith(b"100")]


@st.composite
def cut(draw: st.DrawFn, octets: bytes) -> list[bytes]:
    places = draw(st.lists(st.integers(0, len(octets)), max_size=6).map(sorted))
    return [octets[a:b] for a, b in zip([0, *places], [*places, len(octets)], strict=True) if a < b]


BODIES = st.one_of(st.binary(max_size=40), st.just(SMUGGLED), st.just(b"0\r\n\r\n" + SMUGGLED))
UPGRADES = [b"", b"connection: upgrade\r\nupgrade: foo\r\n", b"upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"]
OTHERS = [b"", b"x-a: b\r\n", b"expect: 100-continue\r\n", b"X-Forwarded-For:  192.0.2.9 \t\r\n"]


@st.composite
def requests(draw: st.DrawFn, *, upgrades: Sequence[bytes] = UPGRADES) -> tuple[bytes, Asked]:
    """A request as an honest client writes it, and what it asks."""
    method = draw(st.sampled_from(["GET", "POST", "PUT", "OPTIONS"]))
    path = draw(st.sampled_from([b"/", b"/a/b", b"//x", b"/%41"]))
    query = draw(st.sampled_from([b"", b"a=b", b"x=1&y=%20"]))
    body = draw(BODIES)
    parts = [body[:7], body[7:]] if draw(st.booleans()) else [body]
    framing, sent = draw(st.sampled_from([("length", body), ("chunks", body), ("none", b"")]))
    head = draw(st.sampled_from(upgrades)) + draw(st.sampled_from(OTHERS))
    if framing == "length":
        head += b"Content-Length: %d\r\n" % len(body)
        sent = body
    elif framing == "chunks":
        head += b"transfer-encoding: Chunked\r\n"
        extension = draw(st.sampled_from([b"", b";a=b"]))
        trailer = draw(st.sampled_from([b"", b"x-trailer: 5\r\n"]))
        sent = b"".join(b"%X%b\r\n%b\r\n" % (len(part), extension, part) for part in parts if part)
        sent += b"0\r\n" + trailer + b"\r\n"
    else:
        body = b""
    target = path + (b"?" + query if query else b"")
    line = method.encode() + b" " + target + b" HTTP/1.1\r\nHost: a\r\n"
    return line + head + b"\r\n" + sent, (method, path, query, body)


@MODEST
@given(st.data(), st.lists(requests(), min_size=1, max_size=5))
def test_a71_honest_requests_are_read_however_they_are_cut(
    data: st.DataObject, several: list[tuple[bytes, Asked]]
) -> None:
    octets = b"".join(one for one, _ in several)
    asked, statuses = read(ours, data.draw(cut(octets)))
    assert asked == [wanted for _, wanted in several]
    assert statuses == [b"200"] * len(several)


@MODEST
@given(st.data(), st.lists(requests(upgrades=[b""]), min_size=1, max_size=4))
def test_the_others_read_them_alike(data: st.DataObject, several: list[tuple[bytes, Asked]]) -> None:
    pieces = data.draw(cut(b"".join(one for one, _ in several)))
    wanted = [asked for _, asked in several]
    assert read(uvicorns(HttpToolsProtocol), pieces)[0] == wanted
    assert read(uvicorns(H11Protocol), pieces)[0] == wanted


ODD = [
    b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b"\x0b", b":", b",", b";", b"0", b"1", b"f", b"-", b"#", b"\xff",
    b"connection: close\r\n", b"connection: upgrade\r\n", b"upgrade: foo\r\n", b"content-length: 3\r\n",
    b"content-length: 3, 3\r\n", b"transfer-encoding: chunked\r\n", b"transfer-encoding: gzip, chunked\r\n",
    b"transfer-encoding: x\r\n", b"GET / HTTP/1.1\r\n", b"HTTP/1.0", SMUGGLED,
]  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Requests in which something was put in, taken out or written over."""
    octets = b"".join(one for one, _ in draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets)))
        octets = octets[:at] + draw(st.sampled_from([b"", *ODD])) + octets[at + draw(st.integers(0, 3)) :]
    return octets


@pytest.mark.parametrize("server", [HttpToolsProtocol, H11Protocol], ids=["httptools", "h11"])
def test_a71_no_request_is_read_that_others_do_not_read(server: Any) -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    @MODEST
    @given(st.data(), hostile())
    def check(data: st.DataObject, octets: bytes) -> None:
        if server is HttpToolsProtocol and b"upgrade" in octets.lower():
            return  # that one reads a body as the next request
        mine, theirs = read(ours, data.draw(cut(octets)))[0], read(uvicorns(server), [octets])[0]
        both = min(len(mine), len(theirs))
        assert mine[:both] == theirs[:both]

    check()


@MODEST
@given(st.data(), hostile())
def test_what_is_read_does_not_depend_on_the_pieces(data: st.DataObject, octets: bytes) -> None:
    assert read(ours, [octets])[0] == read(ours, data.draw(cut(octets)))[0]


@MODEST
@given(st.lists(st.binary(max_size=60), max_size=4))
def test_any_octets_end_in_an_answer_or_in_silence(pieces: list[bytes]) -> None:
    asked, statuses = read(ours, [piece for piece in pieces if piece])
    assert asked == []
    assert statuses in ([], [b"400"], [b"505"])
