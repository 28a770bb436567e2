"""Trace Context: what is a valid parent, and what of its state is passed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.proto.trace_context import TraceParent, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01-more to come", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
    ],
)
def test_parents(text: str, sampled: bool) -> None:
    assert parse_traceparent(text) == TraceParent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"cc-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01\r\n",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0g",
    ],
)
def test_no_parents(text: str) -> None:
    assert parse_traceparent(text) is None


@pytest.mark.parametrize(
    ("states", "kept"),
    [
        ([], ""),
        (["a=1"], "a=1"),
        (["a=1, b@c=2", "", "d=3 4"], "a=1,b@c=2,d=3 4"),
        (["a=1,a=2"], ""),
        (["A=1"], ""),
        (["a"], ""),
        (["a=1\x00"], ""),
        (["a=" + "x" * 257], ""),
        ([f"k{number}=1" for number in range(33)], ""),
        (["a=" + "x" * 250, "b=" + "x" * 250, "c=" + "x" * 20], ""),
    ],
)
def test_states(states: list[str], kept: str) -> None:
    parent = parse_traceparent(f"00-{TRACE}-{SPAN}-01", states)
    assert parent is not None
    assert parent.state == kept


@given(st.text(), st.lists(st.text()))
def test_what_is_passed_on_is_a_parent_and_breaks_no_line(text: str, states: list[str]) -> None:
    found = parse_traceparent(text, states)
    if found is not None:
        assert parse_traceparent(str(found), [found.state]) == found
        assert "\r" not in found.state
        assert "\n" not in found.state


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_what_is_written_is_read(trace: int, span: int, sampled: bool) -> None:
    parent = TraceParent(f"{trace:032x}", f"{span:016x}", sampled)
    assert parse_traceparent(str(parent)) == parent
