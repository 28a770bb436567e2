"""`ostiary-delivery services review`: the age of each service's last review, and which are stale. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary_delivery.errors import BadDefinition
from ostiary_delivery.services import Service

DAYS: Final = 90  # validity of a review, unless another threshold is given
NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One service and the age of its review in days; None when it was never reviewed."""

    service: Service
    days: int | None
    stale: bool


def review(services: Sequence[Service], *, today: dt.date, days: int, path: Path) -> list[Reviewed]:
    """Sort services by the age of their review, oldest first, and attached ones after their parent.

    A service is stale when its review is older than `days`, or missing.

    Raises:
        BadDefinition: a date is malformed or lies in the future; the message begins with file and line.
    """
    ages = {one.name: _age(one, today=today, path=path) for one in services}
    reviews = {one.name: Reviewed(one, ages[one.name], _waiting_days(ages[one.name]) > days) for one in services}
    groups: dict[str, list[Reviewed]] = {}
    for one in services:
        groups.setdefault(_root(one, reviews), []).append(reviews[one.name])
    ordered = sorted(groups.items(), key=lambda group: (-max(_waiting_days(one.days) for one in group[1]), group[0]))
    return [one for root, group in ordered for one in sorted(group, key=lambda one: _sort_key(one, root))]


def lines(reviews: Sequence[Reviewed]) -> list[str]:
    """Return a line for each: sign, name (an attached one indented), version, date and age."""
    names = [f"{'  ' if one.service.parent else ''}{one.service.name}" for one in reviews]
    versions = [one.service.version or "-" for one in reviews]
    name_width, version_width = (max((len(text) for text in texts), default=0) for texts in (names, versions))
    return [
        f"{'STALE' if one.stale else 'good':<6}{name:<{name_width}}  {version:<{version_width}}  {_describe(one)}"
        for one, name, version in zip(reviews, names, versions, strict=True)
    ]


def _describe(one: Reviewed) -> str:
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
        reviewed_on = dt.date.fromisoformat(service.reviewed)
    except ValueError as error:
        raise BadDefinition(f"{where}: last-reviewed is no date like 2026-01-31: {service.reviewed}") from error
    if reviewed_on > today:
        raise BadDefinition(f"{where}: last-reviewed lies in the future: {service.reviewed}")
    return (today - reviewed_on).days


def _waiting_days(days: int | None) -> float:
    return float("inf") if days is None else days


def _root(service: Service, reviews: dict[str, Reviewed]) -> str:
    """Return the name of the topmost parent, even of one that is not listed."""
    chain = [service.name]
    while service.parent is not None and service.parent not in chain:
        chain.append(service.parent)
        if service.parent not in reviews:
            break
        service = reviews[service.parent].service
    return chain[-1]


def _sort_key(one: Reviewed, root: str) -> tuple[bool, str]:
    return one.service.name != root, one.service.name
