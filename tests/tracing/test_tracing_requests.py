"""A request is a span: by its route, in the trace of a trusted proxy or in one of its own, and without a secret."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
from support.collector import Collector, collector
from support.program import HOST, Clock, Program, open_program

from ostiary.app.logs import JsonFormatter
from ostiary.room import GiveUp, Job
from ostiary.spans import CURRENT, NOTHING, span
from ostiary.store.database import Database, Duplicate, Statement
from ostiary.store.workspace.commit import run
from ostiary.tracing.database import TracedDatabase, summary
from ostiary.tracing.log_lines import TraceLines
from ostiary.tracing.tasks import traced_job
from ostiary.web.errors import NotFound
from ostiary.web.outgoing.documents import fetch_json
from ostiary.web.outgoing.requests import OutgoingFailed, post_form

NOW = 1_800_000_000_000_000
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
PROXY, STRANGER = "127.0.0.1", "192.0.2.7"


@dataclass
class Traced:
    """A program that traces, and its collector."""

    program: Program
    collector: Collector

    async def sent(self) -> Collector:
        tracer = self.program.core.tracer
        assert tracer is not None
        await tracer.exporter.export()
        return self.collector


@pytest.fixture
def listening() -> Iterator[Collector]:
    with collector() as made:
        yield made


@pytest.fixture
async def traced(database: Database, listening: Collector) -> AsyncIterator[Traced]:
    program = await open_program(
        database, Clock(NOW), OTEL_EXPORTER_OTLP_ENDPOINT=listening.endpoint, OTEL_SERVICE_NAME="door"
    )
    yield Traced(program, listening)
    await program.close()


async def test_a73_a_request_is_told_by_its_route(traced: Traced) -> None:
    response = await traced.program.call("GET", "/if/flow/nowhere/?secret=in-the-query", client=STRANGER)
    assert response.status == 404
    seen = await traced.sent()
    request = seen.one("GET /if/flow/{slug}/")
    assert dict(request.attributes) == {
        "http.request.method": "GET",
        "http.route": "/if/flow/{slug}/",
        "http.response.status_code": 404,
        "url.scheme": "https",
        "ostiary.request_id": response.header("x-authentik-id"),
    }
    assert (request.kind, request.parent, request.failed) == (2, "", False)
    assert request.trace_id == response.header("x-authentik-id")  # the number that the page shows finds the trace
    assert seen.resource["service.name"] == "door"
    assert b"in-the-query" not in seen.octets
    assert b"nowhere" not in seen.octets


async def test_what_the_database_did_is_below_its_request(traced: Traced) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    sent = b"grant_type=client_credentials&client_id=nobody&client_secret=hush-hush"
    response = await traced.program.call("POST", "/application/o/token/", headers=form, body=sent, client=STRANGER)
    assert response.status == 401
    seen = await traced.sent()
    below = seen.below(seen.one("POST /application/o/token/"))
    assert [one.name for one in below] == ["write batch"]  # the event of the refusal
    assert b"hush-hush" not in seen.octets
    assert {one.attributes["db.system.name"] for one in below} == {traced.program.core.database.dialect}
    assert all(one.kind == 3 for one in below)


@pytest.mark.parametrize(
    ("client", "headers", "parent"),
    [
        (PROXY, {"traceparent": PARENT, "tracestate": "a=b"}, SPAN),
        (PROXY, {"traceparent": "00-broken"}, ""),
        (PROXY, {}, ""),
        (STRANGER, {"traceparent": PARENT, "tracestate": "a=b"}, ""),
    ],
)
async def test_a43_a_trace_is_continued_for_trusted_proxies_only(
    traced: Traced, client: str, headers: dict[str, str], parent: str
) -> None:
    response = await traced.program.call("GET", "/-/health/live/", client=client, headers=headers)
    request = (await traced.sent()).one("GET /-/health/live/")
    assert request.parent == parent
    number = response.header("x-authentik-id")
    assert request.attributes["ostiary.request_id"] == number
    assert request.trace_id == (TRACE if parent else number)
    assert request.message.trace_state == ("a=b" if parent else "")
    assert bool(request.message.flags & 0x200) is bool(parent)


async def test_two_parents_are_none(traced: Traced) -> None:
    site = traced.program.built.site
    sent = [(b"host", HOST.encode()), (b"traceparent", PARENT.encode()), (b"TraceParent", PARENT.encode())]
    scope = {"type": "http", "method": "GET", "path": "/-/health/live/", "client": (PROXY, 1), "headers": sent}

    async def nothing(*_message: object) -> None:
        return

    await site(scope, nothing, nothing)  # type: ignore[arg-type]
    assert (await traced.sent()).one("GET /-/health/live/").parent == ""


async def test_what_a_proxy_does_not_record_is_not_recorded_here(traced: Traced) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-00"}
    await traced.program.call("GET", "/-/health/live/", client=PROXY, headers=headers)
    assert (await traced.sent()).spans == []
    current = CURRENT.get()
    assert current is not None
    ((name, told),) = current.headers()
    assert (name, told[:36], told[-3:]) == ("traceparent", f"00-{TRACE}-", "-00")
    assert SPAN not in told
    with span("more") as inner:
        inner.note("a", 1)
    assert (await traced.sent()).spans == []


async def test_methods_and_errors_of_strangers_make_no_names(traced: Traced) -> None:
    await traced.program.call("BREW", "/-/health/live/", client=STRANGER)
    await traced.program.call("GET", "/no/such/" + "x" * 40, client=STRANGER)
    await traced.program.call("GET", "/", host="evil.example", client=STRANGER)
    seen = await traced.sent()
    assert {one.name for one in seen.spans if one.kind == 2} == {"_OTHER", "GET"}
    assert b"BREW" not in seen.octets
    assert b"evil.example" not in seen.octets


async def test_the_trace_is_in_the_lines_of_the_log(traced: Traced, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "ostiary.access")
    caplog.handler.addFilter(TraceLines())
    caplog.handler.setFormatter(JsonFormatter())
    await traced.program.call("GET", "/-/health/live/", client=PROXY, headers={"traceparent": PARENT})
    assert f'"trace_id": "{TRACE}"' in caplog.text


async def test_batches_of_the_database(database: Database, traced: Traced) -> None:
    tracer = traced.program.core.tracer
    assert tracer is not None
    wrapped = TracedDatabase(database)
    insert = Statement("INSERT INTO counter (name, value) VALUES (?, ?)", ("hush-hush", 1))
    with tracer.begin("test", "internal"):
        await wrapped.write(
            lambda: run([insert, Statement("UPDATE counter SET value = 2 WHERE name = ?", ("hush-hush",))])
        )
        assert (await wrapped.fetch("SELECT value FROM counter WHERE name = ?", "hush-hush"))[0]["value"] == 2
        with pytest.raises(Duplicate):
            await wrapped.write(lambda: run([insert]))
    seen = await traced.sent()
    first, second = seen.named("write batch")
    assert first.attributes["db.query.summary"] == "INSERT counter; UPDATE counter"
    assert first.attributes["db.operation.batch.size"] == 2
    assert str(first.attributes["db.query.text"]).startswith("INSERT INTO counter (name, value) VALUES (?, ?); UPDATE")
    assert (first.failed, second.failed, second.attributes["error.type"]) == (False, True, "Duplicate")
    assert seen.one("SELECT counter").attributes["db.operation.name"] == "fetch"
    assert b"hush-hush" not in seen.octets


def test_summaries() -> None:
    assert summary("SELECT 1") == "SELECT"
    assert summary("  with a as (select 1) select * from a join b") == "WITH a"
    assert summary("") == ""


async def test_a73_tasks_tell_neither_arguments_nor_messages_of_errors(traced: Traced) -> None:
    tracer = traced.program.core.tracer
    assert tracer is not None

    async def work(args: object, *, now: int) -> None:
        del args, now
        with span("inside"):
            raise GiveUp("with hush-hush inside")

    job = traced_job(tracer, Job("knock", work))
    with pytest.raises(GiveUp):
        await asyncio.create_task(job.handler({"key": "hush-hush"}, now=1))  # type: ignore[arg-type]
    seen = await traced.sent()
    task, inside = seen.one("task knock"), seen.one("inside")
    assert (task.kind, task.failed, task.attributes) == (5, True, {"ostiary.task": "knock", "error.type": "GiveUp"})
    assert (inside.parent, inside.trace_id) == (task.span_id, task.trace_id)
    assert b"hush-hush" not in seen.octets


async def test_an_answer_that_is_an_error_is_no_failure(traced: Traced) -> None:
    tracer = traced.program.core.tracer
    assert tracer is not None
    with pytest.raises(NotFound), tracer.begin("test", "internal"):
        raise NotFound
    one = (await traced.sent()).one("test")
    assert (one.failed, one.attributes["error.type"]) == (False, "NotFound")


async def test_a73_outgoing_requests_carry_the_trace_and_are_told_by_their_host(traced: Traced) -> None:
    heads: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    tracer = traced.program.core.tracer
    assert tracer is not None
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with tracer.begin("test", "internal", trace_id=TRACE):
            await post_form(f"http://127.0.0.1:{port}/hook/hush-hush?key=hush-hush", [("a", "hush-hush")])
            await fetch_json(f"http://127.0.0.1:{port}/keys?hush-hush")
        await fetch_json(f"http://127.0.0.1:{port}/keys?hush-hush")
    with pytest.raises(OutgoingFailed), tracer.begin("away", "internal"):
        await post_form(f"http://127.0.0.1:{port}/", [])
    seen = await traced.sent()
    away = seen.one("away")
    (failed,) = seen.below(away)
    assert failed.failed
    posted, fetched = (one for one in seen.spans if one.kind == 3 and not one.failed)
    for one, head, method in ((posted, heads[0], "POST"), (fetched, heads[1], "GET")):
        assert f"traceparent: 00-{TRACE}-{one.span_id}-01\r\n" in head
        assert dict(one.attributes) == {
            "http.request.method": method,
            "server.address": "127.0.0.1",
            "server.port": port,
            "http.response.status_code": 200,
        }
    assert "traceparent" not in heads[2]
    assert b"hush-hush" not in seen.octets


def test_where_nothing_is_traced_a_span_is_nothing() -> None:
    with span("work") as work:
        work.note("a", "b")
        assert work is NOTHING
        assert work.child("more", "client") is NOTHING
        assert (work.trace_id, list(work.headers())) == ("", [])
    assert TraceLines().filter(logging.makeLogRecord({"msg": "a line"}))
