"""Traces: the spans of requests and tasks, as OpenTelemetry describes them, sent to a collector by OTLP.

This room is imported only where the operator names a collector. It wraps the site, the database and the jobs
(`site`, `database`, `tasks`), so that none of them does anything for traces where there are none; other rooms say what
is a piece of work by `ostiary.spans`. Owns no tables and serves no paths. Must not know what a span is about: names and
attributes are chosen where the work is done.
"""

__all__ = ["database", "log_lines", "room", "site", "tasks", "tracer"]
