"""Audit events of responses 503: one per reason and time window, written when the database is available.

Requests are counted in memory, because an unavailable database accepts no event, and an event per request would flood
it afterwards. The log and the metrics have every request immediately.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ostiary.events.event import new_context
from ostiary.events.refusals import WINDOW, Refusal, refusal_context, refusal_event
from ostiary.record import dataclass
from ostiary.resource.timestamp import format_timestamp
from ostiary.store.database import StoreError
from ostiary.store.workspace.commit import write_all

if TYPE_CHECKING:
    from ostiary.store.database import Database

MAX_REASONS: Final = 32
MAX_NUMBERS: Final = 50
"""Request ids in one event."""

_LOGGER: Final = logging.getLogger("ostiary.refused")


@dataclass(frozen=True, slots=True)
class _Outage:
    """The responses 503 of one reason. Times are in microseconds UTC."""

    first: Refusal
    since: int
    until: int
    numbers: tuple[str, ...]
    requests: int = 1

    def then(self, later: _Outage) -> _Outage:
        """Return this outage together with later responses."""
        numbers = (*self.numbers, *later.numbers)[:MAX_NUMBERS]
        return _Outage(self.first, self.since, later.until, numbers, self.requests + later.requests)

    def context(self) -> dict[str, object]:
        """Return the context of its event."""
        return {
            **refusal_context(self.first),
            "requests": self.requests,
            "request_ids": list(self.numbers),
            "since": format_timestamp(self.since),
            "until": format_timestamp(self.until),
        }


@dataclass(frozen=True, slots=True)
class _Written:
    """An outage with its event, which was written at `begun`, microseconds UTC."""

    pk: str
    begun: int
    outage: _Outage


class Outages:
    """The responses 503 of one process."""

    def __init__(self) -> None:
        self._pending: dict[str, _Outage] = {}
        self._written: dict[str, _Written] = {}

    def note(self, item: Refusal, *, now: int) -> None:
        """Count a response by its reason, `item.error`. `now` is in microseconds UTC."""
        # guard: A68 outage reasons are limited
        if item.error not in self._pending and len(self._pending) >= MAX_REASONS:
            return
        self._add(item.error, _Outage(item, now, now, (item.request_id,)))

    async def write(self, database: Database, *, now: int) -> None:
        """Write or complete the events. Called periodically, it tries again what it cannot write. Never raises."""
        pending, self._pending = self._pending, {}
        while pending:
            code = next(iter(pending))
            try:
                self._written[code] = await self._write(database, pending[code], now)
            except StoreError as error:
                _LOGGER.debug("the events of outages wait: %s", error)
                later, self._pending = self._pending, pending
                for name, outage in later.items():
                    self._add(name, outage)
                return
            del pending[code]

    async def _write(self, database: Database, outage: _Outage, now: int) -> _Written:
        """Write the event of an outage. A recent event of the same reason is completed instead. Raises StoreError."""
        known = self._written.get(outage.first.error)
        # guard: A68 one event per outage reason and window
        if known is not None and now - known.begun < WINDOW:
            whole = known.outage.then(outage)
            await write_all(database, [new_context(known.pk, whole.context())])
            return _Written(known.pk, known.begun, whole)
        row = refusal_event(outage.first, outage.context(), now=now)
        await write_all(database, [row])
        return _Written(str(row.parameters[0]), now, outage)

    def _add(self, code: str, outage: _Outage) -> None:
        before = self._pending.get(code)
        self._pending[code] = outage if before is None else before.then(outage)
