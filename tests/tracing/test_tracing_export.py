"""Sending spans: what waits, what is dropped, and that a collector that is away stops nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support.collector import Collector, collector
from support.ports import free_port
from support.waiting import until

from ostiary.proto.trace_context import TraceParent
from ostiary.settings import TracingSettings, load
from ostiary.tracing.exporter import Exporter
from ostiary.tracing.recording import RecordedSpan
from ostiary.tracing.sampling import Sampler
from ostiary.tracing.span_queue import BATCH
from ostiary.tracing.tracer import Tracer


@pytest.fixture
def listening() -> Iterator[Collector]:
    with collector() as made:
        yield made


def settings(**environ: str) -> TracingSettings:
    usual = {"OSTIARY_SECRET_KEY": "k" * 40, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    return load({**usual, **environ}, default_file=None).tracing


def tracer(address: str, **environ: str) -> Tracer:
    return Tracer(settings(OTEL_EXPORTER_OTLP_ENDPOINT=address, **environ))


def work(made: Tracer, count: int = 1) -> None:
    for number in range(count):
        with made.begin(f"work {number}", "internal"):
            pass


async def _is(true: bool) -> bool:
    return true


@asynccontextmanager
async def running(made: Tracer) -> AsyncIterator[None]:
    task = asyncio.create_task(made.exporter.loop.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_spans_are_sent_in_the_background(listening: Collector) -> None:
    made = tracer(
        listening.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20let-me-in,x-house=ours",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,service.name=other",
    )
    async with running(made):
        work(made)
        await until(lambda: _is(made.queue.counts["exported"] == 1))
    (request,) = listening.requests
    assert request[""] == "POST /v1/traces HTTP/1.1"
    assert request["content-type"] == "application/x-protobuf"
    assert (request["authorization"], request["x-house"]) == ("Bearer let-me-in", "ours")
    assert "traceparent" not in request
    assert listening.resource["deployment.environment.name"] == "test"
    assert listening.resource["service.name"] == "ostiary"  # OTEL_SERVICE_NAME wins, here its default
    assert listening.resource["telemetry.sdk.language"] == "python"
    assert len(made.queue) == 0


async def test_a_full_batch_does_not_wait(listening: Collector) -> None:
    made = tracer(listening.endpoint, OTEL_BSP_SCHEDULE_DELAY="60000")
    async with running(made):
        work(made, BATCH + 1)
        await until(lambda: _is(len(listening.spans) == BATCH + 1))
    assert len(listening.requests) == 2


async def test_a68_a_collector_that_is_away_costs_bounded_memory_and_nobody_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    made = tracer(f"http://127.0.0.1:{port}", OTEL_BSP_MAX_QUEUE_SIZE="600")
    work(made, 700)  # not one await: who records never waits
    assert (len(made.queue), made.queue.counts["dropped"]) == (600, 100)
    await made.exporter.export()
    await made.exporter.export()
    assert (len(made.queue), made.queue.counts["exported"]) == (600, 0)
    assert [record.levelno for record in caplog.records if record.name == "ostiary.tracing"] == [logging.WARNING]
    with collector(port) as back:
        await made.exporter.export()
        assert len(back.spans) == 600
        assert (len(made.queue), made.queue.counts) == (0, {"exported": 600, "dropped": 100, "refused": 0})
    assert made.exporter.loop.trouble() is None
    work(made)
    assert len(made.queue) == 1


@pytest.mark.parametrize(("status", "kept"), [(503, 1), (429, 1), (400, 0), (500, 0), (302, 0)])
async def test_what_the_collector_answers(listening: Collector, status: int, kept: int) -> None:
    listening.status = status
    made = tracer(listening.endpoint)
    work(made)
    await made.exporter.export()
    assert len(made.queue) == kept
    assert made.queue.counts["refused"] == 1 - kept
    assert len(listening.requests) == 1


async def test_pauses_grow_while_the_collector_is_away() -> None:
    made = tracer(f"http://127.0.0.1:{free_port()}", OTEL_BSP_SCHEDULE_DELAY="1000")
    work(made)
    pauses = []
    for _ in range(8):
        await made.exporter.export()
        pauses.append(made.exporter._pause)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_what_is_left_at_the_end_is_sent_or_dropped(
    listening: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tracer(listening.endpoint)
    work(made)
    await made.exporter.flush()
    assert made.queue.counts == {"exported": 1, "dropped": 0, "refused": 0}
    monkeypatch.setattr("ostiary.tracing.exporter.FLUSH", 0.05)

    async def never(*_sent: object) -> str | None:
        await asyncio.sleep(3600)
        return None

    monkeypatch.setattr(Exporter, "_send", never)
    work(made)
    await made.exporter.flush()
    assert made.queue.counts == {"exported": 1, "dropped": 1, "refused": 0}


async def test_an_unusable_authority_is_trouble_of_the_traces_alone(
    listening: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    made = tracer(
        listening.endpoint.replace("http:", "https:"), OTEL_EXPORTER_OTLP_CERTIFICATE="/nowhere/authority.pem"
    )
    work(made)
    await made.exporter.export()
    assert "spans wait" in caplog.text
    assert len(made.queue) == 1


async def test_spans_that_cannot_be_written_are_dropped_and_hold_up_no_others(
    listening: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    made = tracer(listening.endpoint)
    span = made.begin("too late", "internal")
    assert isinstance(span, RecordedSpan)
    span._start = 2**70
    span.end()
    await made.exporter.export()
    assert (len(made.queue), made.queue.counts["dropped"]) == (0, 1)
    assert "cannot be sent" in caplog.text
    work(made)
    await made.exporter.export()
    assert len(listening.named("work 0")) == 1


def test_without_a_collector_there_is_no_exporter() -> None:
    with pytest.raises(ValueError, match="no collector"):
        Tracer(TracingSettings())


@pytest.mark.parametrize(
    ("sampler", "share", "none", "recorded_there", "not_there"),
    [
        ("always_on", "0", 1000, True, True),
        ("always_off", "1", 0, False, False),
        ("traceidratio", "0.25", 250, None, None),
        ("parentbased_always_on", "0", 1000, True, False),
        ("parentbased_always_off", "1", 0, True, False),
        ("parentbased_traceidratio", "0.5", 500, True, False),
    ],
)
def test_samplers(sampler: str, share: str, none: int, recorded_there: bool | None, not_there: bool | None) -> None:
    made = Sampler(settings(OTEL_TRACES_SAMPLER=sampler, OTEL_TRACES_SAMPLER_ARG=share))
    numbers = [f"{number * (2**64 // 1000 + 1):032x}" for number in range(1000)]
    assert sum(made.records(number, None) for number in numbers) == none
    for parent, expected in ((True, recorded_there), (False, not_there)):
        if expected is not None:
            assert made.records(numbers[500], TraceParent(numbers[500], "1" * 16, parent)) is expected
