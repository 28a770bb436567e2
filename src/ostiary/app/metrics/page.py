"""Metrics: counters of requests, and the page that Prometheus scrapes.

Requests are counted in plain dictionaries; prometheus-client (90 ms of import) is loaded with the first scrape.
Labels are bounded: the method is one of a few, the route is a pattern of the router, the status a class.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from ostiary.directory.errors import Busy, NoMemory
from ostiary.room import Measure, Samples, by_one_label
from ostiary.store.activity import BUCKETS, Durations
from ostiary.store.database import Reason, StoreError
from ostiary.web.errors import HttpError
from ostiary.web.request import Request
from ostiary.web.response import Response
from ostiary.web.router import Handler, Route

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429
READ_SECONDS: Final = 2.0  # seconds for which what was read serves, however often somebody scrapes
READ_TIMEOUT: Final = 5.0  # seconds for all that is read

log: Final = logging.getLogger("ostiary.app")


class Metrics:
    """The counters since the start, the version, and the digest of the image if it is known."""

    def __init__(self, *, version: str, digest: str | None = None) -> None:
        build = {"version": version} | ({"digest": digest} if digest else {})
        self._requests: dict[tuple[str, ...], Durations] = {}
        # Both begin with zeros, so that a first one is seen to be new.
        self._unavailable: Counter[str] = Counter(dict.fromkeys((*Reason, Busy.code, NoMemory.code), 0))
        self._throttled: Counter[str] = Counter({"throttled": 0})
        self._measures = [
            Measure(
                name="ostiary_build_info",
                summary="What runs: the version, and the digest of the image where it is known.",
                labels=tuple(build),
                read=lambda: {tuple(build.values()): 1.0},
            ),
            Measure(
                name="ostiary_http_request_seconds",
                summary="Duration of answered requests, by route and class of status.",
                labels=("method", "route", "status"),
                kind="histogram",
                read=lambda: self._requests,
            ),
            Measure(
                name="ostiary_unavailable",
                summary="Requests answered 503, by reason.",
                labels=("reason",),
                kind="counter",
                read=partial(by_one_label, self._unavailable),
            ),
            Measure(
                name="ostiary_throttled",
                summary="Requests answered 429, by reason: too many attempts.",
                labels=("reason",),
                kind="counter",
                read=partial(by_one_label, self._throttled),
            ),
        ]
        self._samples: dict[str, Samples] = {}  # by name, of what the database was asked
        self._read_at = -READ_SECONDS
        self._reading = asyncio.Lock()
        self._registry: CollectorRegistry | None = None

    @property
    def measures(self) -> Sequence[Measure]:
        """What the page shows, in its order."""
        return self._measures

    def add(self, measures: Iterable[Measure]) -> None:
        """Show these as well; each is read when somebody scrapes."""
        self._measures.extend(measures)

    async def read(self) -> None:
        """Ask the database, at most once in `READ_SECONDS`. What cannot be read is missing on the page."""
        async with self._reading:
            if time.monotonic() - self._read_at < READ_SECONDS:
                return
            self._samples = {}
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    for measure in self._measures:
                        if waits(measure):
                            self._samples[measure.name] = await _read(measure)
            except TimeoutError:
                log.warning("metrics: the database did not answer within %.0f s", READ_TIMEOUT)
            self._read_at = time.monotonic()

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
        durations = self._requests.get(key)
        if durations is None:
            durations = self._requests[key] = Durations()
        durations.add(seconds)

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
        for measure in self._measures:
            samples = self._samples.get(measure.name) if waits(measure) else measure.read()
            if samples is not None:
                yield _family(measure, cast("Samples", samples))


def waits(measure: Measure) -> bool:
    """Tell whether a measure has to wait for what it reads."""
    return inspect.iscoroutinefunction(measure.read)


def _family(measure: Measure, samples: Samples) -> Metric:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily  # noqa: PLC0415 - lazy

    families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    family = families[measure.kind](measure.name, measure.summary, labels=list(measure.labels))
    for labels, sample in list(samples.items()):
        if isinstance(sample, Durations):
            family.add_metric(list(labels), _buckets(sample), sample.seconds)
        else:
            family.add_metric(list(labels), float(sample))
    return cast("Metric", family)


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """Return each bound with how many took no longer."""
    total, buckets = 0, []
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), durations.buckets, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets


async def _read(measure: Measure) -> Samples:
    """Return what a measure says now; nothing where the database does not answer."""
    try:
        samples = await cast("Awaitable[Samples]", measure.read())
    except StoreError as error:
        log.debug("metrics: %s cannot be read: %s", measure.name, error)  # health says it for everybody
        return {}
    return samples


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
