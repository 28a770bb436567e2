"""Spans: pieces of work that show in a trace, for the rooms whose work they are.

A trace begins with a request or a task, where the operator wants traces (the room `tracing`). Elsewhere there is no
current span, and `span` is one look at a context variable. Names and attributes are chosen here in the program; they
never hold what somebody sent: no address, query, form, header or message of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Literal, Protocol, Self

__all__ = ["CURRENT", "NOTHING", "Span", "SpanAttribute", "SpanKind", "span"]

SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
SpanAttribute = str | bool | int | float


class Span(Protocol):
    """A piece of work, as long as the `with` statement. Inside, it is the parent of further ones."""

    @property
    def trace_id(self) -> str:
        """The trace, in hexadecimal digits; "" where nothing is recorded."""
        ...

    def child(self, name: str, kind: SpanKind) -> Span:
        """Return a span of what this one does, to be entered."""
        ...

    def note(self, name: str, value: SpanAttribute) -> None:
        """Set an attribute: a word or number of ours, by OpenTelemetry's name where it has one."""
        ...

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the headers by which another program continues the trace."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None: ...


class _Nothing:
    """The span of work that is in no trace."""

    __slots__ = ()
    trace_id: Final = ""

    def child(self, _name: str, _kind: SpanKind) -> Span:
        return self

    def note(self, _name: str, _value: SpanAttribute) -> None:
        """Do nothing."""

    def headers(self) -> Sequence[tuple[str, str]]:
        return ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return


NOTHING: Final[Span] = _Nothing()

CURRENT: Final[ContextVar[Span | None]] = ContextVar("ostiary.span", default=None)
"""The span of the work that goes on, set by the room `tracing`. Work that is started from it inherits it."""


def span(name: str, kind: SpanKind = "internal") -> Span:
    """Return a span of the work that goes on, for a `with` statement."""
    current = CURRENT.get()
    return NOTHING if current is None else current.child(name, kind)
