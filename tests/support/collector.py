"""A collector of traces: it listens as one does, and decodes what it gets with OpenTelemetry's own definitions."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Seen:
    """A span as the collector understood it."""

    name: str
    trace_id: str
    span_id: str
    parent: str
    kind: int
    seconds: float
    failed: bool
    attributes: Mapping[str, object]
    message: Any  # of Protocol Buffers


@dataclass
class Collector:
    """What arrived. `status` is the answer to everything that comes."""

    port: int
    status: int = 200
    spans: list[Seen] = field(default_factory=list)
    requests: list[Mapping[str, str]] = field(default_factory=list)
    resource: Mapping[str, object] = field(default_factory=dict)
    octets: bytes = b""

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Seen:
        (span,) = self.named(name)
        return span

    def below(self, parent: Seen) -> list[Seen]:
        return [span for span in self.spans if span.parent == parent.span_id]

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        self.requests.append(headers)
        if self.status != 200:
            return
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        self.octets += body
        request = ExportTraceServiceRequest.FromString(body)
        for group in request.resource_spans:
            self.resource = values(group.resource.attributes)
            for scope in group.scope_spans:
                assert scope.scope.name == "ostiary"
                self.spans.extend(seen(span) for span in scope.spans)


def values(attributes: Any) -> Mapping[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def seen(span: Any) -> Seen:
    return Seen(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        failed=span.status.code == 2,
        attributes=values(span.attributes),
        message=span,
    )


def _handler(take: Callable[[Mapping[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()} | {"": self.requestline}
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(take(headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """Listen as a collector, in threads, until the end of the context."""
    made = Collector(port)

    def take(headers: Mapping[str, str], body: bytes) -> int:
        made.take(headers, body)
        return made.status

    server = ThreadingHTTPServer(("127.0.0.1", port), _handler(take))
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
