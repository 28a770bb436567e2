"""Health: does the process live, and may it be sent work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from ostiary.store.database import Database, StoreError
from ostiary.web.request import Request
from ostiary.web.response import Response, empty
from ostiary.web.router import Route

PATIENCE: Final = 3.0  # seconds for the database to answer

LIVE: Final = "/-/health/live/"
READY: Final = "/-/health/ready/"


class Health:
    """`live` as long as the process answers; `ready` between `begin` and `stop`, while the database answers."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._serving = False

    def begin(self) -> None:
        """Be ready from now on: everything is built, and what a first start leaves behind lies in its place."""
        self._serving = True

    def stop(self) -> None:
        """Be ready no more: the process ends as soon as work in flight has."""
        self._serving = False

    def routes(self) -> Sequence[Route]:
        """Return both routes; HEAD goes to GET."""
        return (Route("GET", LIVE, self._live, "health-live"), Route("GET", READY, self._ready, "health-ready"))

    async def is_ready(self) -> bool:
        """Ask the database."""
        if not self._serving:
            return False
        try:
            async with asyncio.timeout(PATIENCE):
                await self._database.fetch("SELECT 1")
        except (StoreError, TimeoutError):
            return False
        return self._serving

    async def _live(self, _request: Request) -> Response:
        return empty(200)

    async def _ready(self, _request: Request) -> Response:
        if await self.is_ready():
            return empty(200)
        return Response(503, b"", [("retry-after", "5")])
