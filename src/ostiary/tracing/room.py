"""What this room gives to the application, where there is a collector."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from ostiary.room import Measure, Room, ServiceRegistry, by_one_label
from ostiary.store.loop import Loop
from ostiary.tracing.tracer import Tracer


def watches(services: ServiceRegistry) -> Sequence[Loop]:
    """Return the loop that sends spans: every process has spans of its own."""
    return (services[Tracer].exporter.loop,)


def measures(services: ServiceRegistry) -> Iterable[Measure]:
    """Return what became of the spans."""
    queue = services[Tracer].queue
    yield Measure(
        name="ostiary_trace_spans",
        summary="Spans of traces by result: exported; dropped, because too many waited for the collector; refused by"
        " it. Only with traces.",
        labels=("result",),
        kind="counter",
        read=lambda: by_one_label(queue.counts),
    )
    yield Measure(
        name="ostiary_trace_spans_waiting",
        summary="Spans of traces that wait for the collector. Only with traces.",
        read=lambda: {(): len(queue)},
    )


ROOM: Final = Room(name="tracing", watches=watches, measures=measures)
