"""The repository of events: get, search, count, and the sweep."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, cast

from ostiary.events.event import RETENTION
from ostiary.record import dataclass
from ostiary.resource import codec
from ostiary.store.database import Database, Row, Statement, Value, fetch_one
from ostiary.store.sweeping import bite, expired

PAGE_LIMIT: Final = 100

_COLUMNS: Final = "pk, created, expires, action, app, who, context, client_ip, brand"


@dataclass(frozen=True, slots=True)
class Event:
    """A stored event. Times are in microseconds UTC."""

    pk: str
    created: int
    expires: int
    action: str
    app: str
    user: Mapping[str, object]
    context: Mapping[str, object]
    client_ip: str | None
    brand: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """The filter of a search. None and () match any event.

    `username` and `client_ip` match exactly. `since` (inclusive) and `until` (exclusive) are in microseconds UTC.
    `request` is a request id (32 hexadecimal digits), which the context of a refusal contains.
    """

    action: str | None = None
    actions: tuple[str, ...] = ()
    request: str | None = None
    user: int | None = None
    username: str | None = None
    client_ip: str | None = None
    since: int | None = None
    until: int | None = None


class Events:
    """The audit log, newest first. `retention` is that of the settings, in microseconds."""

    def __init__(self, database: Database, retention: int = RETENTION) -> None:
        self._database = database
        self._retention = retention

    async def get(self, pk: str) -> Event | None:
        """Return an event, or None."""
        row = await fetch_one(self._database, f"SELECT {_COLUMNS} FROM event WHERE pk = ?", pk)
        return self._event(row) if row is not None else None

    async def search(self, criteria: EventFilter, *, limit: int = PAGE_LIMIT, offset: int = 0) -> list[Event]:
        """Return up to `limit` events, newest first."""
        where, values = _where(criteria)
        rows = await self._database.fetch(
            f"SELECT {_COLUMNS} FROM event{where} ORDER BY created DESC, pk DESC LIMIT ? OFFSET ?",
            *values,
            min(limit, PAGE_LIMIT),
            offset,
        )
        return [self._event(row) for row in rows]

    async def newest_first(self, criteria: EventFilter) -> AsyncIterator[Event]:
        """Yield all events, newest first. Pages continue after the last row, so that new events shift none of them."""
        where, values = _where(criteria)
        page, page_values = where, list(values)
        while True:
            rows = await self._database.fetch(
                f"SELECT {_COLUMNS} FROM event{page} ORDER BY created DESC, pk DESC LIMIT ?", *page_values, PAGE_LIMIT
            )
            for row in rows:
                yield self._event(row)
            if len(rows) < PAGE_LIMIT:
                return
            created, pk = rows[-1]["created"], rows[-1]["pk"]
            page = f"{where}{' AND' if where else ' WHERE'} created <= ? AND (created < ? OR pk < ?)"
            page_values = [*values, created, created, pk]

    async def count(self, criteria: EventFilter) -> int:
        """Return the number of matching events."""
        where, values = _where(criteria)
        row = await fetch_one(self._database, f"SELECT COUNT(*) AS number FROM event{where}", *values)
        return cast("int", row["number"]) if row is not None else 0

    def _event(self, row: Row) -> Event:
        created = cast("int", row["created"])
        return Event(
            pk=cast("str", row["pk"]),
            created=created,
            expires=min(cast("int", row["expires"]), created + self._retention),
            action=cast("str", row["action"]),
            app=cast("str", row["app"]),
            user=_object(row["who"]),
            context=_object(row["context"]),
            client_ip=cast("str | None", row["client_ip"]),
            brand=_object(row["brand"]),
        )


def sweep(now: int) -> Statement:
    """Return the statement that deletes events whose own expiry has passed."""
    return expired("event", "pk", now)


def outdated(now: int, retention: int) -> Statement:
    """Return the statement that deletes events older than `retention`. Times are in microseconds."""
    return bite("event", "pk", "created <= ?", now - retention, order="created")


def _where(criteria: EventFilter) -> tuple[str, list[Value]]:
    parts: list[tuple[str, Value]] = [
        ("action = ?", criteria.action),
        ("user_pk = ?", criteria.user),
        ("username = ?", criteria.username),
        ("client_ip = ?", criteria.client_ip),
        ("created >= ?", criteria.since),
        ("created < ?", criteria.until),
    ]
    used: list[tuple[str, Sequence[Value]]] = [(text, (value,)) for text, value in parts if value is not None]
    if criteria.actions:
        used.append((f"action IN ({', '.join('?' * len(criteria.actions))})", criteria.actions))
    if criteria.request is not None:
        # There is no index: every sign-in would pay for it, and an operator's search may take longer.
        used.append(("context LIKE ?", (f'%"{criteria.request}"%',)))
    where = " WHERE " + " AND ".join(text for text, _ in used) if used else ""
    return where, [value for _, values in used for value in values]


def _object(text: Value) -> Mapping[str, object]:
    return cast("Mapping[str, object]", codec.decode(cast("str", text)))
