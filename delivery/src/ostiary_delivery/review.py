"""`ostiary-delivery services review`: when somebody last looked at each service, and what has waited too long. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.services import Service

DAYS: Final = 90  # so long a review is good for, unless another threshold is given
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One service as it is shown. `days` is None when nobody has looked yet."""

    service: Service
    days: int | None
    stale: bool


def review(found: Sequence[Service], *, today: dt.date, days: int, path: Path) -> list[Reviewed]:
    """Return the services, those that waited longest first, and each attached one behind its parent.

    A service is stale when its review is older than `days`, or when there was none.

    Raises:
        BadDefinition: a date is none, or lies in the future; the message begins with file and line.
    """
    ages = {one.name: _age(one, today=today, path=path) for one in found}
    shown = {one.name: Reviewed(one, ages[one.name], _waited(ages[one.name]) > days) for one in found}
    groups: dict[str, list[Reviewed]] = {}
    for one in found:
        groups.setdefault(_root(one, shown), []).append(shown[one.name])
    ordered = sorted(groups.items(), key=lambda group: (-max(_waited(one.days) for one in group[1]), group[0]))
    return [one for root, group in ordered for one in sorted(group, key=lambda one: _place(one, root))]


def lines(shown: Sequence[Reviewed]) -> list[str]:
    """Return a line for each: sign, name (an attached one indented), version, date and age."""
    names = [f"{'  ' if one.service.parent else ''}{one.service.name}" for one in shown]
    versions = [one.service.version or "-" for one in shown]
    wide, wider = (max((len(text) for text in texts), default=0) for texts in (names, versions))
    return [
        f"{'STALE' if one.stale else 'good':<6}{name:<{wide}}  {version:<{wider}}  {_told(one)}"
        for one, name, version in zip(shown, names, versions, strict=True)
    ]


def _told(one: Reviewed) -> str:
    attached = f", attached to {one.service.parent}" if one.service.parent else ""
    if one.days is None:
        return f"{NEVER} reviewed{attached}"
    ago = {0: "today", 1: "yesterday"}.get(one.days, f"{one.days} days ago")
    return f"{one.service.reviewed}, {ago}{attached}"


def _age(service: Service, *, today: dt.date, path: Path) -> int | None:
    if service.reviewed is None:
        return None
    where = f"{path}:{service.at('last-reviewed')}"
    try:
        seen = dt.date.fromisoformat(service.reviewed)
    except ValueError as error:
        raise BadDefinition(f"{where}: last-reviewed is no date like 2026-01-31: {service.reviewed}") from error
    if seen > today:
        raise BadDefinition(f"{where}: last-reviewed lies in the future: {service.reviewed}")
    return (today - seen).days


def _waited(days: int | None) -> float:
    return float("inf") if days is None else days


def _root(service: Service, known: dict[str, Reviewed]) -> str:
    """Return the name of the service that this one is attached to in the end; a parent that is not there counts."""
    seen = [service.name]
    while service.parent is not None and service.parent not in seen:
        seen.append(service.parent)
        if service.parent not in known:
            break
        service = known[service.parent].service
    return seen[-1]


def _place(one: Reviewed, root: str) -> tuple[bool, str]:
    return one.service.name != root, one.service.name
