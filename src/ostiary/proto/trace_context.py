"""Trace Context (W3C): the headers by which requests say to which trace they belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ostiary.record import dataclass

_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x20-\x7e]*)?")
_KEY: Final = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER: Final = re.compile(_KEY + r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_MAX_MEMBERS: Final = 32
_STATE_LIMIT: Final = 512  # characters
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Where a request comes from: the trace and the span, in lower-case hexadecimal digits.

    `sampled`: the sender records its part of the trace. `state` is what tracing systems of others added (tracestate).
    """

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


def parse_traceparent(text: str, states: Sequence[str] = ()) -> TraceParent | None:
    """Parse a `traceparent` (Trace Context 3.2) and the `tracestate` headers beside it; None for an invalid one.

    Of later versions the part that is known now is read, as 4 says. An invalid `tracestate` is left out.
    """
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    version, trace_id, span_id, flags, more = match.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _state(states))


def _state(headers: Sequence[str]) -> str:
    """Return the members of all `tracestate` headers in one (3.3)."""
    members = [member.strip(" \t") for header in headers for member in header.split(",")]
    members = [member for member in members if member]
    state = ",".join(members)
    keys = {member.partition("=")[0] for member in members}
    if len(state) > _STATE_LIMIT or len(members) > _MAX_MEMBERS or len(keys) != len(members):
        return ""
    return state if all(_MEMBER.fullmatch(member) for member in members) else ""
