"""The events of mappings: of those that failed, and of the effects of their expressions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.events.event import event

if TYPE_CHECKING:
    from ostiary.mappings.claims import Claims
    from ostiary.mappings.failed_mapping import FailedMapping
    from ostiary.store.database import Statement


def mapping_statements(
    claims: Claims, *, user: Mapping[str, object], client_ip: str | None, now: int
) -> Iterable[Statement]:
    """Log each failed mapping, and yield its property_mapping_exception event and the statements of the effects.

    `now` is microseconds UTC.
    """
    for item in claims.failed:
        log_failed(item, now=now)
        yield event(
            "property_mapping_exception",
            user=user,
            app="authentik_core",
            context={"mapping": str(item.mapping.pk), "name": item.mapping.name, "message": item.reason},
            client_ip=client_ip,
            now=now,
        )
    for name, effects in claims.effects:
        from ostiary.sandbox.evaluation.effects import effect_statements, write_log  # noqa: PLC0415 - not for those without

        write_log(effects, f"property mapping {name}")
        yield from effect_statements(effects, user=user, client_ip=client_ip, now=now)


def log_failed(item: FailedMapping, *, now: int) -> None:
    """Log one failed mapping. `now` is microseconds UTC."""
    log_not_evaluated(
        f"property mapping {item.mapping.name} ({item.mapping.pk})",
        reason=item.reason,
        consequence="its claims are left out",
        now=now,
    )
