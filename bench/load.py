"""The load, in a process of its own on its own core: `python load.py`, one JSON job a line in, results out.

A job is {"port", "kind", "connections", "seconds", ...}. Connections are opened and warmed first; "ready" is told, and
with the next line the measured part begins. What it costs here is nobody's business: only the server is measured.

cycle     "requests" are sent in turn until the time is over, or each once when "once"; "collect" names a header whose
          values are given back
refresh   each connection uses its own refresh token of "tokens" and goes on with the one it was answered
login     each connection is one person after the other who signs in by pages and has the code exchanged
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import uvloop
from browser import Browser, Visit
from message import Answer, cut, form

_SHOWN: Final = 400  # characters of an answer that was not expected
_GOOD: Final = frozenset({200, 302, 303})


class Connection(asyncio.Protocol):
    """Sends a request, and the next one as soon as the answer is there."""

    def __init__(self, host: str, turn: Callable[[Answer], bytes | None]) -> None:
        self._host = host.encode()
        self._turn = turn
        self._rest = b""
        self.transport: asyncio.Transport | None = None
        self.idle: asyncio.Future[None] | None = None

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Cut out the answer, hand it over, send what comes next."""
        found = cut(self._rest + data)
        if found is None:
            self._rest += data
            return
        answer, self._rest = found
        assert self.idle is not None
        try:
            sent = self._turn(_good(answer))
        except Exception as error:  # noqa: BLE001 - told to whoever waits
            if not self.idle.done():
                self.idle.set_exception(error)
            return
        if sent is None:
            self.idle.set_result(None)
        else:
            self._send(sent)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if self.idle is not None and not self.idle.done():
            self.idle.set_exception(exc or ConnectionError("the server closed the connection"))

    def turn_by(self, turn: Callable[[Answer], bytes | None]) -> None:
        """Change what decides about the next request."""
        self._turn = turn

    async def go(self, first: bytes | None) -> None:
        """Send a request and all that follow from its answer."""
        if first is None:
            return
        self.idle = asyncio.get_running_loop().create_future()
        self._send(first)
        await self.idle

    def _send(self, sent: bytes) -> None:
        assert self.transport is not None
        self.transport.write(sent.replace(b"{host}", self._host, 1))


def _good(answer: Answer) -> Answer:
    if answer.status not in _GOOD:
        raise RuntimeError(f"{answer.status} {answer.body[:_SHOWN]!r}")
    return answer


class Cycle:
    """The requests of all connections, in turn."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._requests = [text.encode("latin-1") for text in job["requests"]]
        self._once = bool(job.get("once"))
        self._collect = job.get("collect")
        self._left: Iterator[bytes] = iter(self._requests)
        self.over = False
        self.count = 0
        self.seen: list[str] = []

    def warm(self) -> list[bytes]:
        """Return requests that may be sent before the measured part."""
        return [] if self._once or self._collect else self._requests[:1] * 5

    def first(self, _position: int) -> bytes | None:
        """Return the next request."""
        return self._next()

    def turn(self, answer: Answer) -> bytes | None:
        """Count an answer, return the next request."""
        self.count += 1
        if self._collect:
            self.seen.append(answer.header(self._collect))
        return self._next()

    def _next(self) -> bytes | None:
        if self.over:
            return None
        sent = next(self._left, None)
        if sent is None and not self._once:
            self._left = iter(self._requests)
            sent = next(self._left)
        return sent


class Refresh:
    """One chain of refresh tokens for each connection."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._path, self._headers = job["path"], job["headers"]
        self.tokens: list[str] = job["tokens"]
        self.over = False
        self.count = 0
        self.seen: list[str] = []

    def warm(self) -> list[bytes]:
        """Nothing: each request uses a token up."""
        return []

    def first(self, position: int) -> bytes:
        """Return the first request of a connection."""
        return self._request(self.tokens[position])

    def bound(self, position: int) -> Callable[[Answer], bytes | None]:
        """Return what decides for one connection."""

        def turn(answer: Answer) -> bytes | None:
            self.count += 1
            self.tokens[position] = json.loads(answer.body)["refresh_token"]
            return None if self.over else self._request(self.tokens[position])

        return turn

    def _request(self, token: str) -> bytes:
        return form(self._path, {"grant_type": "refresh_token", "refresh_token": token}, headers=self._headers)


class Login:
    """One browser after the other for each connection."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self.over = False
        self.count = 0
        self.requests = 0
        self.seen: list[str] = []

    def warm(self) -> list[bytes]:
        """Nothing beforehand."""
        return []

    def first(self, _position: int) -> bytes:
        """Not used: `bound` begins by itself."""
        raise AssertionError("a bound job begins by itself")

    def bound(self, position: int) -> tuple[bytes, Callable[[Answer], bytes | None]]:
        """Return the first request of a connection, and what decides for it."""
        job = self._job
        people = job["people"]
        begun = 0

        def begin() -> Visit:
            nonlocal begun
            typed = people[(position + begun * job["connections"]) % len(people)]
            begun += 1
            return Browser(typed).visit(job["url"], until=job["until"])

        first = begin()
        visit: Visit | None = first

        def turn(answer: Answer) -> bytes | None:
            nonlocal visit
            self.requests += 1
            if visit is None:  # the answer of the token endpoint
                self.count += 1
                if self.over:
                    return None
                visit = begin()
                return next(visit)
            try:
                return visit.send(answer)
            except StopIteration as stop:
                visit = None
                code = parse_qs(urlsplit(stop.value).query)["code"][0]
                return form(job["token"], {**job["form"], "code": code}, headers=job["headers"])

        return next(first), turn


KINDS: Final = {"cycle": Cycle, "refresh": Refresh, "login": Login}


async def serve() -> None:
    """Take jobs until the input ends."""
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            told = await _work(json.loads(line))
        except Exception as error:  # noqa: BLE001 - the other side decides
            told = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(told), flush=True)


async def _work(job: dict[str, Any]) -> dict[str, Any]:
    work: Any = KINDS[job["kind"]](job)
    host = f"{job.get('host', '127.0.0.1')}:{job['port']}"
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(job["connections"]):
        _, made = await loop.create_connection(lambda: Connection(host, lambda _: None), "127.0.0.1", job["port"])
        connections.append(made)
    for sent in work.warm():
        await asyncio.gather(*(one.go(sent) for one in connections))
    print(json.dumps({"ready": True}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)

    firsts = []
    for position, one in enumerate(connections):
        if job["kind"] == "login":
            first, turn = work.bound(position)
        else:
            first = work.first(position)
            turn = work.bound(position) if job["kind"] == "refresh" else work.turn
        one.turn_by(turn)
        firsts.append(first)
    ending = loop.call_later(job["seconds"], setattr, work, "over", True)  # noqa: FBT003 - setattr's
    begun = time.perf_counter()
    done = await asyncio.gather(
        *(one.go(first) for one, first in zip(connections, firsts, strict=True)), return_exceptions=True
    )
    seconds = time.perf_counter() - begun
    ending.cancel()
    for one in connections:
        if one.transport is not None:
            one.transport.close()
    errors = [f"{type(one).__name__}: {one}" for one in done if isinstance(one, BaseException)]
    return {
        "count": work.count,
        "seconds": seconds,
        "seen": work.seen,
        "tokens": getattr(work, "tokens", []),
        "requests": getattr(work, "requests", work.count),
        **({"error": "; ".join(errors[:3])} if errors else {}),
    }


if __name__ == "__main__":
    uvloop.run(serve())
