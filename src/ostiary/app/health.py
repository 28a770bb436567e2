"""Liveness and readiness of the process. The metrics listener serves both pages as well."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from ostiary.store.counter import next_number
from ostiary.store.database import Database, Reason, Unavailable
from ostiary.store.loop import Loop
from ostiary.store.timeouts import begin_request
from ostiary.web.request import Request
from ostiary.web.response import Response, empty
from ostiary.web.router import Route

DATABASE_TIMEOUT: Final = 3.0  # seconds for the database to answer

RESULT_SECONDS: Final = 2.0  # seconds a finding serves: so seldom is written, however often is asked
FULL_SECONDS: Final = 10.0  # seconds a request that found no room is remembered
COUNTER: Final = "health"
_NO_ROOM: Final = frozenset({Reason.FULL, Reason.READ_ONLY, Reason.DISK})

LIVE: Final = "/-/health/live/"
READY: Final = "/-/health/ready/"

# Reasons that are not the database's.
STARTING: Final = "starting"
STOPPING: Final = "stopping"
STALE: Final = "background_work_late"
DEAD: Final = "background_work_ended"

log: Final = logging.getLogger("ostiary.app")


class Health:
    """`live` as long as the process can do its work; `ready` between `begin` and `stop`, while it also succeeds.

    `loops` are the background loops. A process with an outdated configuration, or a worker that cannot read its queue,
    is not ready. When a loop has ended, the process must be restarted.
    """

    def __init__(
        self, database: Database, loops: Sequence[Loop] = (), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._loops = loops
        self._clock = clock
        self._checked_at = -RESULT_SECONDS  # when the database was last asked
        self._result = ("", "")
        self._probe: asyncio.Task[tuple[str, str]] | None = None
        self._full = ("", -FULL_SECONDS)  # the reason a request could not write for, and when
        self._phase = STARTING  # "" while it serves
        self._reported = ""

    def begin(self) -> None:
        """Become ready: everything is built, and the first start is done."""
        self._phase = ""

    def stop(self) -> None:
        """Stop being ready: the process ends when the running work is done."""
        self._phase = STOPPING

    def routes(self) -> Sequence[Route]:
        """Return both routes; HEAD goes to GET."""
        return (Route("GET", LIVE, self._live, "health-live"), Route("GET", READY, self._ready, "health-ready"))

    async def page(self, path: str) -> Response | None:
        """Return the response of one of both paths, for a listener without routes; None for other paths."""
        if path.rstrip("/") == LIVE.rstrip("/"):
            return _answer(self.why_dead())
        if path.rstrip("/") == READY.rstrip("/"):
            return _answer(await self.why_not_ready())
        return None

    async def is_ready(self) -> bool:
        """Return whether requests may be sent here."""
        return not await self.why_not_ready()

    def why_dead(self) -> str:
        """Return why the process must be restarted, "" when it is alive."""
        return next((f"{DEAD}: {loop.name}" for loop in self._loops if loop.is_dead()), "")

    async def why_not_ready(self) -> str:
        """Return why the process is not ready, without details that are secret; "" when it is ready."""
        if self._phase:
            return self._phase
        reason, detail = await self._trouble()
        if reason != self._reported:
            self._reported = reason
            if reason:
                log.warning("not ready: %s", detail)
            else:
                log.info("ready again")
        return reason or self._phase

    def record_unavailable(self, reason: str) -> None:
        """Record the reason of a response 503.

        A disk without space for a sign-in may still have space for the small write of a probe.
        """
        if reason in _NO_ROOM:
            self._full = (reason, self._clock())

    async def _trouble(self) -> tuple[str, str]:
        """Return the problem in two forms: for everybody, and for the log."""
        for loop in self._loops:
            detail = loop.trouble()
            if detail is not None:
                return f"{STALE}: {loop.name}", detail
        reason, when = self._full
        if self._clock() - when < FULL_SECONDS:
            return reason, f"{reason}: a request could not be written"
        if self._clock() - self._checked_at < RESULT_SECONDS:
            return self._result
        if self._probe is None:  # else a probe is on its way, and serves all who ask meanwhile
            self._probe = asyncio.create_task(self._run_probe())
        return await asyncio.shield(self._probe)

    async def _run_probe(self) -> tuple[str, str]:
        try:
            self._result = await self._database_trouble()
        finally:
            self._checked_at, self._probe = self._clock(), None
        return self._result

    async def _database_trouble(self) -> tuple[str, str]:
        """Read and write, as a sign-in does: a read-only database lets nobody sign in."""
        begin_request(DATABASE_TIMEOUT)  # the store knows what it waited for, a lock for example
        try:
            await self._database.fetch("SELECT 1")
            # guard: A77 the readiness check writes
            await self._database.write(lambda: next_number(COUNTER))
        except Unavailable as error:
            return error.reason, f"{error.reason}: {error}"
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody can sign in
            return Reason.REFUSED, f"{Reason.REFUSED}: {type(error).__name__}: {error}"
        return "", ""

    async def _live(self, _request: Request) -> Response:
        return _answer(self.why_dead())

    async def _ready(self, _request: Request) -> Response:
        return _answer(await self.why_not_ready())


def _answer(why: str) -> Response:
    if not why:
        return empty(200)
    return Response(503, f"{why}\n".encode(), [("content-type", "text/plain"), ("retry-after", "5")])
