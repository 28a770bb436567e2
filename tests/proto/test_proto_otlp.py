"""What is written for a collector reads, with OpenTelemetry's own definitions, as what was meant."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ostiary.proto.otlp import ExportedSpan, export_request
from ostiary.spans import SpanAttribute, SpanKind

KINDS: dict[SpanKind, int] = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VALUES: st.SearchStrategy[SpanAttribute] = st.one_of(
    TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)
ATTRIBUTES = st.dictionaries(TEXTS, VALUES, max_size=5)
TIMES = st.integers(0, 2**64 - 1)


def hexadecimal(octets: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=octets, max_size=octets).map(bytes.hex)


SPANS = st.builds(
    ExportedSpan,
    trace_id=hexadecimal(16),
    span_id=hexadecimal(8),
    parent=st.one_of(st.just(""), hexadecimal(8)),
    name=TEXTS,
    kind=st.sampled_from(list(KINDS)),
    start=TIMES,
    end=TIMES,
    attributes=ATTRIBUTES,
    failed=st.booleans(),
    remote=st.booleans(),
    state=st.sampled_from(["", "a=b,c=d"]),
)


def read(attributes: Any) -> dict[str, object]:
    found = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
    assert len(found) == len(attributes)
    return found


def same(left: object, right: object) -> bool:
    """Equal, and of one type: True is no 1 here."""
    return left == right and type(left) is type(right)


@given(st.lists(SPANS, max_size=4), ATTRIBUTES)
def test_what_is_written_is_read(spans: list[ExportedSpan], resource: dict[str, SpanAttribute]) -> None:
    octets = export_request(spans, resource=resource, scope="test", version="1.2")
    request = ExportTraceServiceRequest.FromString(octets)
    (group,) = request.resource_spans
    assert read(group.resource.attributes) == resource
    (scope,) = group.scope_spans
    assert (scope.scope.name, scope.scope.version) == ("test", "1.2")
    assert len(scope.spans) == len(spans)
    for span, told in zip(spans, scope.spans, strict=True):
        assert (told.trace_id.hex(), told.span_id.hex(), told.parent_span_id.hex()) == (
            span.trace_id,
            span.span_id,
            span.parent,
        )
        assert (told.name, told.kind, told.trace_state) == (span.name, KINDS[span.kind], span.state)
        assert (told.start_time_unix_nano, told.end_time_unix_nano) == (span.start, span.end)
        found = read(told.attributes)
        assert found.keys() == span.attributes.keys()
        assert all(same(found[name], value) for name, value in span.attributes.items())
        assert told.status.code == (2 if span.failed else 0)
        assert told.flags == 0x101 | (0x200 if span.remote else 0)
    assert not request.FindInitializationErrors()
    assert ExportTraceServiceRequest.FromString(request.SerializeToString()) == request


def test_a_text_that_no_encoding_has_is_written_all_the_same() -> None:
    span = ExportedSpan(
        trace_id="1" * 32, span_id="2" * 16, parent="", name="\ud800", kind="internal", start=1, end=2,
        attributes={"a": "b\udfff"},
    )  # fmt: skip
    request = ExportTraceServiceRequest.FromString(export_request([span], resource={}, scope="", version=""))
    (told,) = request.resource_spans[0].scope_spans[0].spans
    assert (told.name, told.attributes[0].value.string_value) == ("?", "b?")
