"""Audit events of responses 503: one per reason and time window, written when the database is available.

Requests are counted in memory, because an unavailable database accepts no event, and an event per request would flood
it afterwards. The log and the metrics have every request immediately.
"""

from __future__ import annotations

import logging
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.events.refusals import WINDOW, Refusal, refusal_event
from ostiary.record import dataclass
from ostiary.resource.timestamp import format_timestamp
from ostiary.store.database import StoreError
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from ostiary.store.database import Database, Statement

MOST_REASONS: Final = 32
MOST_NUMBERS: Final = 50
"""Request ids in one event."""

_LOGGER: Final = logging.getLogger("ostiary.refused")


@dataclass(slots=True)
class _Outage:
    """The responses 503 of one reason that have no event yet. Times are in microseconds UTC."""

    first: Refusal
    since: int
    until: int
    requests: int = 0
    numbers: list[str] = field(default_factory=list)

    def add(self, numbers: list[str], *, requests: int, until: int) -> None:
        self.until = max(self.until, until)
        self.requests += requests
        self.numbers.extend(numbers[: MOST_NUMBERS - len(self.numbers)])


class Outages:
    """The responses 503 of one process."""

    def __init__(self) -> None:
        self._pending: dict[str, _Outage] = {}
        self._told: dict[str, int] = {}  # time of the last event, by reason

    def note(self, item: Refusal, *, now: int) -> None:
        """Count a response by its reason, `item.error`. `now` is in microseconds UTC."""
        # guard: A68 outage reasons are limited
        if item.error not in self._pending and len(self._pending) >= MOST_REASONS:
            return
        outage = self._pending.setdefault(item.error, _Outage(item, now, now))
        outage.add([item.request_id], requests=1, until=now)

    async def write(self, database: Database, *, now: int) -> None:
        """Write the events that are due. Called periodically, it tries again what it cannot write. Never raises."""
        # guard: A68 one event per outage reason and window
        due = [code for code in self._pending if now - self._told.get(code, now - WINDOW) >= WINDOW]
        for code in due:
            outage = self._pending.pop(code)
            try:
                await write_all(database, [_row(outage, now)])
            except StoreError as error:
                _LOGGER.debug("the event of %s waits: %s", code, error)
                self._keep(code, outage)
                return
            self._told[code] = now

    def _keep(self, code: str, outage: _Outage) -> None:
        """Keep an outage that was not written, together with responses since then."""
        later = self._pending.get(code)
        if later is not None:
            outage.add(later.numbers, requests=later.requests, until=later.until)
        self._pending[code] = outage


def _row(outage: _Outage, now: int) -> Statement:
    more = {
        "requests": outage.requests,
        "request_ids": outage.numbers,
        "since": format_timestamp(outage.since),
        "until": format_timestamp(outage.until),
    }
    return refusal_event(outage.first, more=more, now=now)
