"""OTLP 1.x: traces as the Protocol Buffers of an export request (opentelemetry/proto/trace/v1/trace.proto).

Only what is sent is written, so the few fields of a span need no code generator: each is a tag, a length and octets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.spans import SpanAttribute, SpanKind

CONTENT_TYPE: Final = "application/x-protobuf"

_KINDS: Final[Mapping[SpanKind, int]] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_ERROR: Final = 2
_SAMPLED: Final = 0x01
_KNOWN_WHETHER_REMOTE: Final = 0x100
_REMOTE: Final = 0x200
_BITS: Final = 7
_MORE: Final = 0x80
_UINT64: Final = (1 << 64) - 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedSpan:
    """One span. Identifiers are hexadecimal digits, `parent` "" for the first of a trace; times nanoseconds since 1970.

    `remote`: the parent is in another program. `state` is the trace's `tracestate`. `failed` is the status "error".
    """

    trace_id: str
    span_id: str
    parent: str
    name: str
    kind: SpanKind
    start: int
    end: int
    attributes: Mapping[str, SpanAttribute]
    failed: bool = False
    remote: bool = False
    state: str = ""


def export_request(
    spans: Sequence[ExportedSpan], *, resource: Mapping[str, SpanAttribute], scope: str, version: str
) -> bytes:
    """Return an `ExportTraceServiceRequest` with the spans of one program, which `resource` describes."""
    library = _field(1, scope.encode()) + _field(2, version.encode())
    scoped = _field(1, library) + b"".join(_field(2, _span(one)) for one in spans)
    return _field(1, _field(1, _attributes(1, resource)) + _field(2, scoped))


def _span(span: ExportedSpan) -> bytes:
    flags = _SAMPLED | _KNOWN_WHETHER_REMOTE | (_REMOTE if span.remote else 0)
    return b"".join(
        (
            _field(1, bytes.fromhex(span.trace_id)),
            _field(2, bytes.fromhex(span.span_id)),
            _field(3, span.state.encode()) if span.state else b"",
            _field(4, bytes.fromhex(span.parent)) if span.parent else b"",
            _field(5, span.name.encode("utf-8", "replace")),
            _number(6, _KINDS[span.kind]),
            _tag(7, _FIXED64) + struct.pack("<Q", span.start),
            _tag(8, _FIXED64) + struct.pack("<Q", span.end),
            _attributes(9, span.attributes),
            _field(15, _number(3, _ERROR)) if span.failed else b"",
            _tag(16, _FIXED32) + struct.pack("<I", flags),
        )
    )


def _attributes(number: int, attributes: Mapping[str, SpanAttribute]) -> bytes:
    pairs: Iterable[tuple[str, SpanAttribute]] = attributes.items()
    return b"".join(_field(number, _field(1, key.encode()) + _field(2, _value(value))) for key, value in pairs)


def _value(value: SpanAttribute) -> bytes:
    if isinstance(value, bool):  # before int, which it is as well
        return _number(2, int(value))
    if isinstance(value, int):
        return _number(3, value & _UINT64)
    if isinstance(value, float):
        return _tag(4, _FIXED64) + struct.pack("<d", value)
    return _field(1, value.encode("utf-8", "replace"))


def _field(number: int, content: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _tag(number, _VARINT) + _varint(value)


def _tag(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= _BITS
    out.append(value)
    return bytes(out)
