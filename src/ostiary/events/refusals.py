"""Refused requests, as operators see them: a log line for each, and a limited number of audit events.

The error page shows a request id and no reason. Log line and event contain that id, the requester and the reason.
Events are limited, because unauthenticated requests cause them: a repeated refusal within `WINDOW` is only counted, and
there is a limit per address and one for all unauthenticated requesters. The log contains every refusal.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import field
from typing import Final
from urllib.parse import quote

from ostiary.events.event import DAY, event
from ostiary.record import dataclass
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.store.database import Database, Statement, Unavailable
from ostiary.store.workspace.commit import write_all
from ostiary.web.addresses import address_key

ACTION: Final = "custom_refused"
"""The action of the events."""
WINDOW: Final = 600_000_000  # microseconds
MOST_OF_STRANGERS: Final = 100
"""Events per window of all unauthenticated requesters."""
MOST_OF_KNOWN: Final = 600
"""Events per window of all authenticated requesters."""
MOST_OF_ONE: Final = 20
"""Events per window and address."""
KEPT: Final = 30 * DAY
"""The retention of events of unauthenticated requesters."""

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
    `offered`    the refused address of the request
    `nearest`    the listed address most similar to it
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
    proven: bool = False
    offered: str | None = None
    nearest: str | None = None
    trace: Mapping[str, object] | None = None
    app: str = "authentik_core"
    logger: str = "ostiary.refused"

    @property
    def known(self) -> bool:
        """Whether the requester is authenticated."""
        return self.user is not None or self.proven


@dataclass(slots=True)
class _Window:
    """The counters of one time window."""

    number: int = -1
    rows: dict[bool, int] = field(default_factory=dict)  # by `known`
    of_one: BoundedCache[str, int] = field(default_factory=lambda: BoundedCache(_REMEMBERED))
    seen: BoundedCache[tuple[object, ...], int] = field(default_factory=lambda: BoundedCache(_REMEMBERED))
    left_out: int = 0


class Refusals:
    """The refused requests of one process."""

    def __init__(self) -> None:
        self._window = _Window()
        self.counts: Final[Counter[str]] = Counter()
        """The number of refusals since the start, by error code."""

    async def record(self, database: Database, item: Refusal, *, now: int) -> None:
        """Write the log line, and the event unless its limit is reached. `now` is in microseconds UTC. Never raises."""
        row = self.note(item, now=now)
        if row is None:
            return
        try:
            await write_all(database, [row])
        except Unavailable:
            _LOGGER.warning("the event of request %s could not be written", item.request_id)

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
        repeats = window.seen.get(key, 0)
        if repeats or not self._may_write(item):
            window.seen.keep(key, repeats + 1)
            window.left_out += 1
            return None
        window.seen.keep(key, 1)
        left_out, window.left_out = window.left_out, 0
        return _row(item, left_out=left_out, now=now)

    def _current(self, now: int) -> _Window:
        number = now // WINDOW
        if number != self._window.number:
            self._window = _Window(number=number, left_out=self._window.left_out)
        return self._window

    def _may_write(self, item: Refusal) -> bool:
        window, address = self._window, address_key(item.address)
        most = MOST_OF_KNOWN if item.known else MOST_OF_STRANGERS
        of_one = window.of_one.get(address, 0)
        # guard: A68 refusal events are limited per address
        # guard: A68 refusal events are limited in total
        if window.rows.get(item.known, 0) >= most or of_one >= MOST_OF_ONE:
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
    return url.partition("?")[0].partition("#")[0][:_SHOWN]


def _quoted(text: str) -> str:
    # guard: A68 untrusted text cannot forge a log line
    return quote(text[:_SHOWN].encode("utf-8", "replace"), safe="@.+_-:/")


def _of(who: Mapping[str, object] | None) -> object:
    return None if who is None else who.get("pk")


def _row(item: Refusal, *, left_out: int, now: int) -> Statement:
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
    if item.trace is not None:
        context["trace"] = dict(item.trace)
    if left_out:
        context["others_not_written"] = left_out
    return event(
        ACTION,
        user=item.user,
        app=item.app,
        context=context,
        client_ip=item.address,
        now=now,
        expires=None if item.known else now + KEPT,
    )
