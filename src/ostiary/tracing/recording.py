"""Spans of a trace that is recorded, and those of one that is not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary.proto.otlp import ExportedSpan
from ostiary.proto.trace_context import TraceParent
from ostiary.spans import CURRENT, Span, SpanAttribute, SpanKind
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from contextvars import Token

VALUE_LIMIT: Final = 1024  # characters of an attribute
_SERVER_ERROR: Final = 500
_ids: Final = Random()  # noqa: S311 - identifiers of spans, no secrets


class Recording:
    """What the spans of one trace share. `sink` takes each one that has ended."""

    __slots__ = ("epoch", "sink", "state", "trace_id")

    def __init__(self, trace_id: str, state: str, sink: Callable[[ExportedSpan], None]) -> None:
        self.trace_id = trace_id
        self.state = state
        self.sink = sink
        # Durations are exact even while the clock of the machine is set.
        self.epoch = time.time_ns() - time.perf_counter_ns()

    def now(self) -> int:
        """Return nanoseconds since 1970 UTC."""
        return self.epoch + time.perf_counter_ns()


class RecordedSpan:
    """A span that is recorded, from its making until it is left."""

    __slots__ = (
        "_attributes",
        "_failed",
        "_kind",
        "_parent",
        "_remote",
        "_start",
        "_token",
        "_trace",
        "name",
        "span_id",
    )

    def __init__(self, trace: Recording, name: str, kind: SpanKind, *, parent: str = "", remote: bool = False) -> None:
        self._trace = trace
        self.name = name
        self.span_id = f"{_ids.getrandbits(64) or 1:016x}"
        self._kind = kind
        self._parent = parent
        self._remote = remote
        self._attributes: dict[str, SpanAttribute] = {}
        self._failed = False
        self._token: Token[Span | None] | None = None
        self._start = trace.now()

    @property
    def trace_id(self) -> str:
        """The trace."""
        return self._trace.trace_id

    def child(self, name: str, kind: SpanKind) -> Span:
        """Return a span of what this one does."""
        return RecordedSpan(self._trace, name, kind, parent=self.span_id)

    def note(self, name: str, value: SpanAttribute) -> None:
        """Set an attribute."""
        self._attributes[name] = value[:VALUE_LIMIT] if isinstance(value, str) else value

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return `traceparent`, and `tracestate` if the trace came with one."""
        return _headers(TraceParent(self.trace_id, self.span_id, sampled=True, state=self._trace.state))

    def fail(self, error: str) -> None:
        """Mark the work as failed: by a class of errors or a status, never by a message."""
        self._failed = True
        self._attributes["error.type"] = error

    def end(self) -> None:
        """The work is done."""
        self._trace.sink(
            ExportedSpan(
                trace_id=self.trace_id,
                span_id=self.span_id,
                parent=self._parent,
                name=self.name[:VALUE_LIMIT],
                kind=self._kind,
                start=self._start,
                end=self._trace.now(),
                attributes=self._attributes,
                failed=self._failed,
                remote=self._remote,
                state=self._trace.state,
            )
        )

    def __enter__(self) -> Self:
        self._token = CURRENT.set(self)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            CURRENT.reset(self._token)
        if error is not None:
            # guard: A73 a trace has the class of an error, not its message
            self._attributes["error.type"] = type(error).__name__
            self._failed = not isinstance(error, HttpError) or error.status >= _SERVER_ERROR
        self.end()


class UnrecordedSpan:
    """All work of a trace that is not recorded. The programs that it asks are told so."""

    __slots__ = ("_parent", "_token")
    trace_id: Final = ""

    def __init__(self, parent: TraceParent) -> None:
        self._parent = parent

    def child(self, _name: str, _kind: SpanKind) -> Span:
        """Return this one: it is not left by leaving a part of it."""
        return self

    def note(self, _name: str, _value: SpanAttribute) -> None:
        """Do nothing."""

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the headers of the trace, without the mark of one that is recorded."""
        return _headers(self._parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return


def new_span_id() -> str:
    """Return an identifier for a span that is not recorded."""
    return f"{_ids.getrandbits(64) or 1:016x}"


def new_trace_id() -> str:
    """Return an identifier for a trace that no request begins."""
    return f"{_ids.getrandbits(128) or 1:032x}"


def _headers(parent: TraceParent) -> Sequence[tuple[str, str]]:
    state = (("tracestate", parent.state),) if parent.state else ()
    return (("traceparent", str(parent)), *state)
