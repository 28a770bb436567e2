"""The number of the trace in the lines of the log."""

from __future__ import annotations

import logging

from ostiary.spans import CURRENT


class TraceLines(logging.Filter):
    """Adds `trace_id` to the lines of work that is recorded. It is a filter of handlers, and lets every line pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it."""
        span = CURRENT.get()
        if span is not None and span.trace_id:
            record.trace_id = span.trace_id
        return True
