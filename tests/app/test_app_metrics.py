"""Counting requests, with labels that stay few, and the page for Prometheus."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from typing import Any

import pytest

from ostiary.app.health import Health
from ostiary.app.listening.connection_limits import HEALTH_CONNECTIONS, ConnectionLimits
from ostiary.app.metrics import Metrics, MetricsSite
from ostiary.app.metrics.memory import memory_limit
from ostiary.app.metrics.process import connection_measures
from ostiary.app.metrics.ticks import ClockJumps, LoopLag
from ostiary.room import Measure
from ostiary.store.activity import Durations
from ostiary.store.database import Database, Unavailable
from ostiary.store.loop import Loop
from ostiary.web.asgi import Site
from ostiary.web.errors import HttpError, NotFound, TooManyRequests
from ostiary.web.request import Request
from ostiary.web.response import Response, empty
from ostiary.web.router import Route, Router


async def answer(_request: Request) -> Response:
    return empty(200)


async def refuse(_request: Request) -> Response:
    raise NotFound


async def fail(_request: Request) -> Response:
    message = "broken"
    raise RuntimeError(message)


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    metrics = Metrics(version="1.2.3")
    routes = [Route("GET", "/a/{slug}/", answer), Route("GET", "/b/", refuse), Route("GET", "/c/", fail)]
    router = Router(metrics.measured(route) for route in routes)
    for slug in ("x", "y", "z"):
        await router(Request(path=f"/a/{slug}/"))
    with pytest.raises(NotFound):
        await router(Request(path="/b/"))
    with pytest.raises(RuntimeError):
        await router(Request(path="/c/"))
    page = metrics.page()[0].decode()
    assert 'ostiary_http_request_seconds_count{method="GET",route="/a/{slug}/",status="2xx"} 3.0' in page
    assert 'ostiary_http_request_seconds_count{method="GET",route="/b/",status="4xx"} 1.0' in page
    assert 'ostiary_http_request_seconds_count{method="GET",route="/c/",status="5xx"} 1.0' in page
    assert 'ostiary_build_info{version="1.2.3"} 1.0' in page
    assert "/a/x/" not in page


def test_the_digest_of_the_image_is_told_where_it_is_known() -> None:
    digest = "sha256:" + "a1" * 32
    page = Metrics(version="1.2.3", digest=digest).page()[0].decode()
    assert f'ostiary_build_info{{digest="{digest}",version="1.2.3"}} 1.0' in page


async def test_a_stranger_cannot_make_labels() -> None:
    metrics = Metrics(version="1")
    for number in range(100):
        metrics.observe(f"M{number}", "/a/", 200, 0.01)
    assert metrics.page()[0].decode().count('ostiary_http_request_seconds_count{method="other"') == 1


def test_buckets_add_up_and_gauges_are_asked_at_each_scrape() -> None:
    metrics = Metrics(version="1")
    value = 1.0
    metrics.add([Measure(name="ostiary_test", summary="A number.", read=lambda: {(): value})])
    for seconds in (0.0005, 0.2, 99.0):
        metrics.observe("GET", "/", 200, seconds)
    page = metrics.page()[0].decode()
    assert 'le="0.001",method="GET",route="/",status="2xx"} 1.0' in page
    assert 'le="10.0",method="GET",route="/",status="2xx"} 2.0' in page
    assert 'le="+Inf",method="GET",route="/",status="2xx"} 3.0' in page
    assert "ostiary_test 1.0" in page
    value = 2.0
    assert "ostiary_test 2.0" in metrics.page()[0].decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics", 200), ("HEAD", "/metrics/", 200), ("GET", "/", 404), ("POST", "/metrics", 404)],
)
async def test_the_metrics_port_answers_one_path(method: str, path: str, status: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    await MetricsSite(Metrics(version="1"))({"type": "http", "method": method, "path": path}, receive, send)
    assert sent[0]["status"] == status
    assert bool(sent[1]["body"]) == (method == "GET")


async def ask(site: MetricsSite, path: str, method: str = "GET") -> tuple[int, bytes]:
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    await site({"type": "http", "method": method, "path": path}, receive, send)
    return sent[0]["status"], sent[1]["body"]


class Turning:
    """A queue whose turns fail when they are told to, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now, self.fails = 0.0, False

    async def __call__(self) -> None:
        if self.fails:
            raise RuntimeError("no right to read")

    def clock(self) -> float:
        return self.now


async def test_health_of_a_worker_knows_the_last_turn_of_its_queue(database: Database) -> None:
    turning = Turning()
    queue = Loop("queue", turning, every=1.0, bound=30.0, clock=turning.clock)
    health = Health(database, [queue])
    site = MetricsSite(Metrics(version="1"), health.page)
    assert await ask(site, "/-/health/ready/") == (503, b"starting\n")
    assert await ask(site, "/-/health/live/") == (200, b"")
    health.begin()
    await queue.attempt()
    assert await ask(site, "/-/health/ready/") == (200, b"")
    turning.fails, turning.now = True, 31.0
    await queue.attempt()
    assert await ask(site, "/-/health/ready/") == (503, b"background_work_late: queue\n")
    assert await ask(site, "/-/health/live/") == (200, b""), "a restart would not help: it goes on trying"
    turning.fails = False
    await queue.attempt()
    assert await ask(site, "/-/health/ready") == (200, b"")
    queue.end()
    assert await ask(site, "/-/health/live/") == (503, b"background_work_ended: queue\n")
    assert (await ask(site, "/-/health/ready/", "POST"))[0] == 404
    assert (await ask(site, "/-/health/"))[0] == 404


async def test_measures_are_read_when_somebody_scrapes(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics(version="1")
    reads = 0

    async def slow() -> dict[tuple[str, ...], float]:
        nonlocal reads
        reads += 1
        return {("a", "b"): 7.0}

    async def away() -> dict[tuple[str, ...], float]:
        raise Unavailable("nobody there")

    metrics.add(
        [
            Measure(name="ostiary_one", summary="One.", labels=("x", "y"), read=slow),
            Measure(name="ostiary_away", summary="Away.", read=away),
            Measure(name="ostiary_two", summary="Two.", kind="counter", read=lambda: {(): 3}),
        ]
    )
    site = MetricsSite(metrics)
    page = (await ask(site, "/metrics"))[1].decode()
    assert 'ostiary_one{x="a",y="b"} 7.0' in page
    assert "ostiary_two_total 3.0" in page
    assert "\nostiary_away " not in page, "what cannot be read is missing, and everything else is there"
    await ask(site, "/metrics")
    assert reads == 1, "many scrapes read once"
    monkeypatch.setattr("ostiary.app.metrics.page.READ_SECONDS", 0.0)
    await ask(site, "/metrics")
    assert reads == 2


async def test_a_database_that_hangs_does_not_hold_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.app.metrics.page.READ_TIMEOUT", 0.05)
    metrics = Metrics(version="1")

    async def hangs() -> dict[tuple[str, ...], float]:
        await asyncio.sleep(60)
        raise AssertionError

    metrics.add(
        [
            Measure(name="ostiary_hangs", summary="Hangs.", read=hangs),
            Measure(name="ostiary_one", summary="One.", read=lambda: {(): 1.0}),
        ]
    )
    page = (await ask(MetricsSite(metrics), "/metrics"))[1].decode()
    assert "ostiary_one 1.0" in page, "what the process knows itself is there, wherever it stands"
    assert "ostiary_build_info" in page


async def test_answers_429_are_counted_by_reason() -> None:
    metrics = Metrics(version="1")

    async def often(_request: Request) -> Response:
        raise TooManyRequests(retry_after=1, code="throttled")

    async def slower(_request: Request) -> Response:
        return empty(429)

    routes = [Route("GET", "/a/", often), Route("GET", "/b/", slower)]

    async def on_error(_request: Request, error: HttpError) -> None:
        metrics.throttled(error.code)

    site = Site(Router(metrics.measured(route) for route in routes), on_error=on_error)
    for path in (b"/a/", b"/a/", b"/b/"):
        scope = {"path": path.decode(), "raw_path": path, "headers": [(b"host", b"a")]}
        request = Request()
        assert (await site.answer(request, scope)).status == 429
    page = metrics.page()[0].decode()
    assert 'ostiary_throttled_total{reason="throttled"} 2.0' in page
    assert 'ostiary_throttled_total{reason="client"} 1.0' in page


async def test_the_lag_of_the_event_loop_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.app.metrics.ticks.LOOK_EVERY", 0.01)
    lag = LoopLag()
    assert lag.longest() == 0.0
    lag.start()
    time.sleep(0.2)
    await asyncio.sleep(0.05)
    lag.stop()
    assert 0.15 < lag.longest() < 60


def test_refused_and_evicted_connections_are_counted() -> None:
    class Connection:
        peer, in_handshake = "192.0.2.1", False

        def evict(self) -> None:
            pass

    limits = ConnectionLimits(1)
    for _ in range(2 + HEALTH_CONNECTIONS + 1):
        connection = Connection()
        limits.admit(connection)
        limits.set_busy(connection)
    values = {measure.name: measure.read() for measure in connection_measures(limits)}
    assert values == {
        "ostiary_connections": {(): 1 + HEALTH_CONNECTIONS},
        "ostiary_connections_limit": {(): 1},
        "ostiary_connections_refused": {(): 2},
        "ostiary_connections_evicted": {(): 0},
        "ostiary_accept_errors": {(): 0},
    }
    idle = ConnectionLimits(1)
    for _ in range(2):
        connection = Connection()
        idle.admit(connection)
        idle.set_idle(connection)
    assert (idle.evicted, idle.refused) == (1, 0)


def test_a_histogram_shows_each_bound_with_how_many_took_no_longer() -> None:
    durations = Durations()
    for seconds in (0.0005, 0.2, 99.0):
        durations.add(seconds)
    metrics = Metrics(version="1")
    metrics.add(
        [Measure(name="ostiary_h", summary="H.", labels=("a",), kind="histogram", read=lambda: {("x",): durations})]
    )
    page = metrics.page()[0].decode()
    assert 'ostiary_h_bucket{a="x",le="0.001"} 1.0' in page
    assert 'ostiary_h_bucket{a="x",le="0.25"} 2.0' in page
    assert 'ostiary_h_bucket{a="x",le="+Inf"} 3.0' in page
    assert 'ostiary_h_sum{a="x"} 99.2005' in page


def test_a_clock_that_is_set_is_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    wall, steady = 1_000_000.0, 50.0
    jumps = ClockJumps(clock=lambda: wall, steady=lambda: steady)
    for more, gained in ((1.0, 0.0), (1.0, 3.0), (30.0, -3.0), (1.0, 3600.0), (1.0, -7200.0), (1.0, 0.0)):
        steady += more
        wall += more + gained
        jumps.look()
    assert (jumps.forward, jumps.back) == (1, 1), "small corrections are none, and neither is a loop that hung"
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("the clock was set forward by 3600 s")
    assert told[1].startswith("the clock was set back by 7200 s")


async def test_the_clock_is_looked_at_with_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ostiary.app.metrics.ticks.LOOK_EVERY", 0.01)
    looked = asyncio.Event()
    lag = LoopLag(looked.set)
    lag.start()
    await asyncio.wait_for(looked.wait(), 30)
    lag.stop()


def test_the_smallest_limit_of_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, groups = tmp_path / "own", tmp_path / "groups"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert memory_limit(groups, own) is None, "no control groups here"
    own.write_text("0::/pod/ostiary\n")
    (groups / "pod/ostiary").mkdir(parents=True)
    (groups / "pod/ostiary/memory.max").write_text("max\n")
    assert memory_limit(groups, own) is None
    (groups / "pod/memory.max").write_text("300000000\n")
    assert memory_limit(groups, own) == 300_000_000, "the group around it limits it too"
    (groups / "pod/ostiary/memory.max").write_text("200000000\n")
    assert memory_limit(groups, own) == 200_000_000
    own.write_text("7:cpu:/x\n4:memory:/pod\n")
    (groups / "memory/pod").mkdir(parents=True)
    (groups / "memory/pod/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_limit(groups, own) is None, "version 1 writes no limit as a number"
    (groups / "memory/memory.limit_in_bytes").write_text("100000000\n")
    assert memory_limit(groups, own) == 100_000_000
    monkeypatch.setattr(resource, "getrlimit", lambda _: (90_000_000, resource.RLIM_INFINITY))
    assert memory_limit(groups, own) == 90_000_000


async def test_other_scopes_are_left_alone() -> None:
    async def never(*_message: Any) -> Any:
        raise AssertionError

    await MetricsSite(Metrics(version="1"))({"type": "lifespan"}, never, never)
