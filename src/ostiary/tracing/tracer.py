"""The tracer: it begins traces, where the sampler wants them, and has the queue and the exporter."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence

from ostiary import __version__
from ostiary.proto.trace_context import TraceParent, parse_traceparent
from ostiary.settings import TracingSettings
from ostiary.spans import SpanKind
from ostiary.tracing.exporter import Exporter
from ostiary.tracing.recording import RecordedSpan, Recording, UnrecordedSpan, new_span_id, new_trace_id
from ostiary.tracing.sampling import Sampler
from ostiary.tracing.span_queue import SpanQueue


class Tracer:
    """Begins the traces of a process, and sends them to the collector of the settings."""

    def __init__(self, settings: TracingSettings) -> None:
        self.queue = SpanQueue(settings.bsp_max_queue_size)
        resource = {
            **settings.resource_attributes,
            "service.name": settings.service_name,
            "service.version": __version__,
            "service.instance.id": str(uuid.uuid4()),
            "process.pid": str(os.getpid()),
            "telemetry.sdk.name": "ostiary",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.version": __version__,
        }
        self.exporter = Exporter(self.queue, settings, resource)
        self._sampler = Sampler(settings)

    def begin(
        self, name: str, kind: SpanKind, *, trace_id: str = "", parent: TraceParent | None = None
    ) -> RecordedSpan | UnrecordedSpan:
        """Return the first span of this program in a trace: that of `parent`, else a new one (named `trace_id`)."""
        trace_id = parent.trace_id if parent is not None else trace_id or new_trace_id()
        state = parent.state if parent is not None else ""
        if not self._sampler.records(trace_id, parent):
            return UnrecordedSpan(TraceParent(trace_id, new_span_id(), sampled=False, state=state))
        trace = Recording(trace_id, state, self.queue.put)
        if parent is None:
            return RecordedSpan(trace, name, kind)
        return RecordedSpan(trace, name, kind, parent=parent.span_id, remote=True)


def parent_of(headers: Sequence[tuple[bytes, bytes]]) -> TraceParent | None:
    """Return the parent that the headers of a request name; None without a valid one, and for several."""
    parents = [value for name, value in headers if name.lower() == b"traceparent"]
    if len(parents) != 1:
        return None
    states = [value.decode("latin-1") for name, value in headers if name.lower() == b"tracestate"]
    return parse_traceparent(parents[0].decode("latin-1").strip(" \t"), states)
