"""Metrics: counters of requests, and the page that Prometheus scrapes.

Requests are counted in plain dictionaries; prometheus-client (90 ms of import) is loaded with the first scrape.
Labels are bounded: the method is one of a few, the route is a pattern of the router, the status a class.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from ostiary.record import dataclass
from ostiary.room import Measure, Samples
from ostiary.store.database import StoreError
from ostiary.web.errors import HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Handler, Route

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration histogram, in seconds."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
READ_SECONDS: Final = 2.0  # seconds for which what was read serves, however often somebody scrapes
READ_TIMEOUT: Final = 5.0  # seconds for all that is read

log: Final = logging.getLogger("ostiary.app")

Gauge = Callable[[], float]


@dataclass(slots=True)
class _Series:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class Metrics:
    """The counters since the start, the version, and the digest of the image if it is known."""

    def __init__(self, *, version: str, digest: str | None = None) -> None:
        self._build = {"version": version} | ({"digest": digest} if digest else {})
        self._series: dict[tuple[str, str, str], _Series] = {}
        self._gauges: dict[str, tuple[str, Gauge]] = {}
        self._unavailable: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        self._measures: list[Measure] = []
        self._samples: list[tuple[Measure, Samples]] = []
        self._read_at = -READ_SECONDS
        self._reading = asyncio.Lock()
        self._registry: CollectorRegistry | None = None

    def gauge(self, name: str, help_text: str, value: Gauge) -> None:
        """Add a gauge, whose value is read at each scrape."""
        self._gauges[name] = (help_text, value)

    def add(self, measures: Iterable[Measure]) -> None:
        """Show these as well; each is read when somebody scrapes."""
        self._measures.extend(measures)

    async def read(self) -> None:
        """Read what was added, at most once in `READ_SECONDS`. What cannot be read is missing on the page."""
        async with self._reading:
            if time.monotonic() - self._read_at < READ_SECONDS:
                return
            samples = []
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    for measure in self._measures:
                        samples.append((measure, await _read(measure)))  # noqa: PERF401 - those before a time-out stay
            except TimeoutError:
                log.warning("metrics: the database did not answer within %.0f s", READ_TIMEOUT)
            self._samples, self._read_at = samples, time.monotonic()

    def measured(self, route: Route) -> Route:
        """Return the route with a handler that counts."""
        return Route(route.method, route.path, self._counting(route), route.name)

    def _counting(self, route: Route) -> Handler:
        handler: Callable[[Request], Awaitable[Response]] = route.handler

        async def count(request: Request) -> Response:
            started = time.perf_counter()
            status = _SERVER_ERROR
            try:
                response = await handler(request)
                status = response.status
                if status == _TOO_MANY:
                    self.throttled("client")
            except HttpError as error:
                status = error.status
                raise
            else:
                return response
            finally:
                # guard: A68 metrics are labelled with routes, not paths
                self.observe(request.method, route.path, status, time.perf_counter() - started)

        return count

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one response."""
        key = (method if method in _METHODS else "other", route, f"{status // 100}xx")
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        series.buckets[bisect_left(BUCKETS, seconds)] += 1
        series.seconds += seconds

    def unavailable(self, reason: str) -> None:
        """Count one response 503. The reason is an error code, so there are few."""
        self._unavailable[reason] += 1

    def throttled(self, reason: str) -> None:
        """Count one answer 429. Reasons are codes of errors: there are few."""
        self._throttled[reason] += 1

    def page(self) -> tuple[bytes, str]:
        """Return the text of a scrape and its content type."""
        from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector  # noqa: PLC0415 - lazy
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest  # noqa: PLC0415

        if self._registry is None:
            self._registry = CollectorRegistry()
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)
            self._registry.register(self)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as a collector of prometheus-client."""
        from prometheus_client.core import (  # noqa: PLC0415 - lazy
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        yield InfoMetricFamily("ostiary_build", "What runs.", value=self._build)
        requests = HistogramMetricFamily(
            "ostiary_http_request_seconds", "Duration of answered requests.", labels=["method", "route", "status"]
        )
        for labels, series in list(self._series.items()):
            total = 0
            buckets = []
            for bound, count in zip((*(str(bound) for bound in BUCKETS), "+Inf"), series.buckets, strict=True):
                total += count
                buckets.append((bound, float(total)))
            requests.add_metric(labels, buckets, series.seconds)
        yield requests
        for name, summary, counts in (
            ("ostiary_unavailable", "Requests answered 503, by reason.", self._unavailable),
            ("ostiary_throttled", "Requests answered 429, by reason: too many attempts.", self._throttled),
        ):
            by_reason = CounterMetricFamily(name, summary, labels=["reason"])
            for reason, times in list(counts.items()):
                by_reason.add_metric([reason], float(times))
            yield by_reason
        families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
        for measure, samples in self._samples:
            family = families[measure.kind](measure.name, measure.summary, labels=list(measure.labels))
            for sample, number in list(samples.items()):
                family.add_metric(list(sample), float(number))
            yield family
        for name, (help_text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, help_text, value=value())


async def _read(measure: Measure) -> Samples:
    """Return what a measure says now; nothing where the database does not answer."""
    try:
        samples = measure.read()
        return await samples if inspect.isawaitable(samples) else samples
    except StoreError as error:
        log.debug("metrics: %s cannot be read: %s", measure.name, error)  # health says it for everybody
        return {}


class MetricsSite:
    """The ASGI application of the metrics port: /metrics and both health pages, which a worker serves nowhere else."""

    def __init__(self, metrics: Metrics, health: Callable[[str], Awaitable[Response | None]] | None = None) -> None:
        """`health` returns the response of a health page by its path, None for other paths."""
        self._metrics = metrics
        self._health = health

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        _receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        response = (await self._answer(scope["path"])) if scope["method"] in {"GET", "HEAD"} else _not_found()
        headers = [(name.encode(), value.encode()) for name, value in response.headers]
        headers.append((b"content-length", str(len(response.body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body if scope["method"] == "GET" else b""})

    async def _answer(self, path: str) -> Response:
        if path.rstrip("/") == "/metrics":
            await self._metrics.read()
            body, content_type = self._metrics.page()
            return Response(200, body, [("content-type", content_type)])
        response = await self._health(path) if self._health is not None else None
        return response if response is not None else _not_found()


def _not_found() -> Response:
    return Response(404, b"not found\n", [("content-type", "text/plain")])
