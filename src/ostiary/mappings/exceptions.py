"""The trace of a mapping that could not be evaluated: a log line, and an event for the caller's batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.events.event import event
from ostiary.mappings.resources import PropertyMapping
from ostiary.store.database import Statement

REASON: Final = "expressions of your own are not available yet; the claims of this mapping are left out"


def exception_events(
    mappings: Iterable[PropertyMapping], *, user: Mapping[str, object], client_ip: str | None, now: int
) -> Iterable[Statement]:
    """Log each mapping and yield its property_mapping_exception event. `now` in microseconds UTC."""
    for item in mappings:
        log_unavailable(item, now=now)
        yield event(
            "property_mapping_exception",
            user=user,
            app="authentik_core",
            context={"mapping": str(item.pk), "name": item.name, "message": REASON},
            client_ip=client_ip,
            now=now,
        )


def log_unavailable(item: PropertyMapping, *, now: int) -> None:
    """Write the log line of one mapping. `now` in microseconds UTC."""
    log_not_evaluated(
        f"property mapping {item.name} ({item.pk})",
        reason="expressions of your own are not available yet",
        consequence="its claims are left out",
        now=now,
    )
