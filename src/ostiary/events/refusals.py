"""Refused requests, as operators see them: a log line for each, and a limited number of audit events.

The error page shows a request id and no reason. Log line and event contain that id, the requester and the reason.
Events are limited, because unauthenticated requests cause them: a repeated refusal within `WINDOW` only adds its
request id to the event, and there is a limit per address and one for all unauthenticated requesters. The log contains
every refusal.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import field
from typing import Final
from urllib.parse import quote

from ostiary.events.event import DAY, event, new_context
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import Database, Statement, StoreError, Unavailable
from ostiary.store.workspace.commit import write_all
from ostiary.web.addresses import address_key

ACTION: Final = "custom_refused"
"""The action of the events."""
WINDOW: Final = 600_000_000  # microseconds
MAX_OF_STRANGERS: Final = 100
"""Events per window of all unauthenticated requesters."""
MAX_OF_KNOWN: Final = 600
"""Events per window of all authenticated requesters."""
MAX_OF_ONE: Final = 20
"""Events per window and address."""
KEPT: Final = 30 * DAY
"""The retention of events of unauthenticated requesters."""
MAX_NUMBERS: Final = 20
"""Request ids in one event."""
MAX_WAITING: Final = 100
"""Events that wait until the database is available."""

_REMEMBERED: Final = 4096
_SHOWN: Final = 200  # characters of a text from the request
_LOGGER: Final = logging.getLogger("ostiary.refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refused request.

    `where`      the path or name of the endpoint
    `error`      the error code
    `reason`     is not sent to the requester
    `client_id`  as in the request, unverified
    `client`     {"pk", "name", "slug", "client_id"} of the application, if it is known
    `user`       the signed-in user; with neither `user` nor `proven`, the requester is unauthenticated
    `named`      the requester only named `user`, and is unauthenticated
    `offered`    the refused address of the request
    `nearest`    the listed address most similar to it
    `stage`      the name of the stage that refused, in a flow
    `trace`      the policy trace of the refusal, as plain data
    """

    where: str
    error: str
    reason: str
    address: str
    request_id: str
    client_id: str | None = None
    client: Mapping[str, object] | None = None
    user: Mapping[str, object] | None = None
    named: bool = False
    proven: bool = False
    offered: str | None = None
    nearest: str | None = None
    stage: str | None = None
    trace: Mapping[str, object] | None = None
    app: str = "authentik_core"
    logger: str = "ostiary.refused"

    @property
    def known(self) -> bool:
        """Whether the requester is authenticated."""
        # guard: A68 a named account does not count as authenticated
        return self.proven or (self.user is not None and not self.named)


@dataclass(slots=True)
class _Told:
    """A refusal with an event: its primary key, its context, and the request ids of the refusal and its repetitions."""

    pk: str
    context: Mapping[str, object]
    numbers: list[str]


@dataclass(slots=True)
class _Window:
    """The counters of one time window. A refusal in `seen` without an event is None."""

    number: int = -1
    rows: dict[bool, int] = field(default_factory=dict)  # by `known`
    of_one: BoundedCache[str, int] = field(default_factory=lambda: BoundedCache(_REMEMBERED))
    seen: BoundedCache[tuple[object, ...], _Told | None] = field(default_factory=lambda: BoundedCache(_REMEMBERED))
    left_out: int = 0


class Refusals:
    """The refused requests of one process."""

    def __init__(self) -> None:
        self._window = _Window()
        # guard: A68 waiting refusal events are limited
        self._waiting: Final[deque[Statement]] = deque(maxlen=MAX_WAITING)
        self._repeated: dict[str, _Told] = {}  # whose events lack request ids
        self.counts: Final[Counter[str]] = Counter()
        """The number of refusals since the start, by error code."""

    async def record(self, database: Database, item: Refusal, *, now: int) -> None:
        """Write the log line, and the event unless its limit is reached. `now` is in microseconds UTC. Never raises.

        If the database is unavailable, the event waits for `catch_up`.
        """
        row = self.note(item, now=now)
        if row is None:
            return
        try:
            await write_all(database, [row])
        except Unavailable:
            _LOGGER.warning("the event of request %s cannot be written, and waits", item.request_id)
            self._waiting.append(row)

    async def catch_up(self, database: Database) -> None:
        """Write the waiting events, and the request ids of repeated refusals.

        It is called periodically, and tries again what it cannot write. Never raises.
        """
        repeated, self._repeated = self._repeated, {}
        try:
            while self._waiting:
                row = self._waiting[0]
                await write_all(database, [row])
                if self._waiting and self._waiting[0] is row:  # otherwise it was dropped by the limit
                    self._waiting.popleft()
            if repeated:
                await write_all(database, [_with_numbers(told) for told in repeated.values()])
        except StoreError as error:
            _LOGGER.debug("events of refusals wait: %s", error)
            self._repeated = {**repeated, **self._repeated}

    def note(self, item: Refusal, *, now: int) -> Statement | None:
        """Write the log line. Returns the event for the caller's batch, or None if its limit is reached."""
        log_refusal(item)
        self.counts[item.error] += 1
        window = self._current(now)
        key = (
            item.where,
            item.error,
            item.reason[:_SHOWN],
            _of(item.client),
            _of(item.user),
            address_key(item.address),
        )
        if key in window.seen or not self._may_write(item):
            self._repeat(window.seen.get(key), item)
            window.seen.keep(key, window.seen.get(key))
            window.left_out += 1
            return None
        context = refusal_context(item) | ({"others_not_written": window.left_out} if window.left_out else {})
        window.left_out = 0
        row = refusal_event(item, context, now=now)
        window.seen.keep(key, _Told(str(row.parameters[0]), context, [item.request_id]))
        return row

    def _repeat(self, told: _Told | None, item: Refusal) -> None:
        """Add a request id to an event: people often report the id of their last attempt."""
        # guard: A68 request ids of a refusal event are limited
        if told is not None and len(told.numbers) < MAX_NUMBERS:
            told.numbers.append(item.request_id)
            self._repeated[told.pk] = told

    def _current(self, now: int) -> _Window:
        number = now // WINDOW
        if number != self._window.number:
            self._window = _Window(number=number, left_out=self._window.left_out)
        return self._window

    def _may_write(self, item: Refusal) -> bool:
        window, address = self._window, address_key(item.address)
        most = MAX_OF_KNOWN if item.known else MAX_OF_STRANGERS
        of_one = window.of_one.get(address, 0)
        # guard: A68 refusal events are limited per address
        # guard: A68 refusal events are limited in total
        if window.rows.get(item.known, 0) >= most or of_one >= MAX_OF_ONE:
            return False
        window.rows[item.known] = window.rows.get(item.known, 0) + 1
        window.of_one.keep(address, of_one + 1)
        return True


def log_refusal(item: Refusal) -> None:
    """Write `PLACE refused: ERROR (REASON; client=... user=... offered=... nearest=...) address=... request=...`.

    The format is stable, for fail2ban. Values from the request are truncated and percent-encoded.
    """
    client_id = item.client.get("client_id") if item.client else None
    values = {
        "client": client_id or item.client_id,
        "user": item.user.get("username") if item.user else None,
        "offered": without_query(item.offered) if item.offered else None,
        "nearest": item.nearest,
    }
    fields = " ".join(f"{name}={_quoted(str(value))}" for name, value in values.items() if value)
    logging.getLogger(item.logger).warning(
        "%s refused: %s (%s) address=%s request=%s",
        item.where,
        item.error,
        "; ".join(filter(None, (item.reason[:_SHOWN], fields))),
        item.address,
        item.request_id,
    )


def without_query(url: str) -> str:
    """Return a URL without its query and fragment, which may contain secrets."""
    # guard: A73 refused addresses are recorded without their query
    return url.partition("?")[0].partition("#")[0][:_SHOWN]


def _quoted(text: str) -> str:
    # guard: A68 untrusted text cannot forge a log line
    return quote(text[:_SHOWN].encode("utf-8", "replace"), safe="@.+_-:/")


def _of(who: Mapping[str, object] | None) -> object:
    return None if who is None else who.get("pk")


def refusal_context(item: Refusal) -> dict[str, object]:
    """Return the context of the event of a refusal."""
    context: dict[str, object] = {
        "where": item.where,
        "error": item.error,
        "reason": item.reason[:_SHOWN],
        "request_id": item.request_id,
    }
    if item.client is not None:
        context["application"] = dict(item.client)
    elif item.client_id is not None:
        context["client_id"] = item.client_id[:_SHOWN]
    if item.offered:
        context["offered"] = without_query(item.offered)
    if item.nearest:
        context["nearest"] = item.nearest[:_SHOWN]
    if item.stage:
        context["stage"] = item.stage
    if item.trace is not None:
        context["trace"] = dict(item.trace)
    return context


def refusal_event(item: Refusal, context: Mapping[str, object], *, now: int) -> Statement:
    """Return the event of a refusal with that context. `now` is in microseconds UTC."""
    return event(
        ACTION,
        user=item.user,
        app=item.app,
        context=context,
        client_ip=item.address,
        now=now,
        expires=None if item.known else now + KEPT,
    )


def _with_numbers(told: _Told) -> Statement:
    return new_context(told.pk, {**told.context, "request_ids": told.numbers})
