"""The configuration plane: the newest snapshot, kept fresh.

Management requests call `refresh` before they answer, so that a client reads its own writes. Protocol requests
take `snapshot`, which `watch` keeps at most one second old.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from ostiary.record import dataclass
from ostiary.resource import Kind, Pk, Registry, Resource
from ostiary.resource.codec import decode
from ostiary.resource.immutable_json import freeze
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.config_tables import Changes, Head, fetch_changes, fetch_head, set_canary
from ostiary.store.configuration.documents import open_body
from ostiary.store.configuration.revisions import Revision, deletions, read_revision, undone
from ostiary.store.configuration.snapshot import Snapshot
from ostiary.store.database import Batch, Database, Row, Statement, StoreError
from ostiary.store.loop import Loop
from ostiary.store.pace import in_thread
from ostiary.store.timeouts import extended_timeout
from ostiary.store.workspace.changes import normal_pk

WATCH_SECONDS: Final = 0.5
LOAD_TIMEOUT: Final = 60.0  # seconds to read all of a large configuration
STALE_SECONDS: Final = 10.0  # a process whose snapshot is older is not ready

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opening:
    """The state a unit of work is validated against: a snapshot and its head row."""

    snapshot: Snapshot
    head: Head


class UnknownRevision(StoreError):
    """There is no revision of that number."""


class ConfigPlane:
    """The configuration of one process."""

    def __init__(self, database: Database, registry: Registry, sealer: Sealer) -> None:
        self.database = database
        self.registry = registry
        self.sealer = sealer
        self._opening = Opening(Snapshot(registry=registry, number=0, objects={}), Head(-1, 0))
        self._lock = asyncio.Lock()
        self.watch: Final = Loop("configuration", self._refresh, every=WATCH_SECONDS, bound=STALE_SECONDS)
        """Keeps a snapshot at most one second old while the database answers."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot this process has loaded."""
        return self._opening.snapshot

    async def load(self) -> Snapshot:
        """Check the secret key against the canary, then load everything.

        Raises WrongKey when the database was written under another secret key, NewerSchema, Unavailable.
        """
        head = await fetch_head(self.database)
        if not head.canary:
            canary = set_canary(self.sealer.canary())
            await self.database.write(lambda: _run(canary))
            head = await fetch_head(self.database)
        self.sealer.verify_canary(head.canary)
        return await self.refresh()

    async def refresh(self) -> Snapshot:
        """Return the newest snapshot: one small SELECT, and a load after another commit. Raises Unavailable."""
        return (await self.opening()).snapshot

    async def opening(self) -> Opening:
        """Return the newest snapshot together with its head, for a unit of work. Raises Unavailable."""
        head = await fetch_head(self.database)
        if head.number == self._opening.head.number:
            self._opening = Opening(self._opening.snapshot, head)
            return self._opening
        async with self._lock:
            if self._opening.head.number < head.number:
                since = self._opening.head.number
                with extended_timeout(LOAD_TIMEOUT):
                    changes = await self.database.read(lambda: fetch_changes(since))
                await self._apply(changes)
            return self._opening

    async def snapshot_at(self, number: int) -> Snapshot:
        """Return the configuration of an earlier revision: the newest one, with all later changes undone.

        What is in force stays so. Raises UnknownRevision, Unavailable.
        """
        newest = await self.refresh()
        if number == newest.number:
            return newest
        if not 0 <= number < newest.number:
            raise UnknownRevision(f"there is no revision {number}; the newest is {newest.number}")
        with extended_timeout(LOAD_TIMEOUT):
            diffs = await self.database.fetch(
                "SELECT diff FROM revision WHERE number > ? AND number <= ? ORDER BY number DESC", number, newest.number
            )

        def undo() -> Snapshot:
            states = undone((str(row["diff"]) for row in diffs), self.registry)
            drop = [key for key, state in states.items() if state is None]
            put = [self._open(self.registry.get(key[0]), key[1], state) for key, state in states.items() if state]
            return newest.changed(number=number, put=put, drop=drop)

        return await in_thread(len(diffs), undo)

    async def stored_number(self) -> int:
        """Return the number of the newest revision in the database. Raises Unavailable."""
        return (await fetch_head(self.database)).number

    async def _refresh(self) -> None:
        await self.refresh()

    async def revisions(self, *, limit: int = 50, before: int | None = None) -> Sequence[Revision]:
        """Return revisions, newest first: at most `limit`, with numbers below `before`. Raises Unavailable."""
        rows = await self.database.fetch(
            "SELECT number, created, author, message, diff FROM revision WHERE number < ? ORDER BY number DESC LIMIT ?",
            2**62 if before is None else before,
            limit,
        )
        return [read_revision(row) for row in rows]

    async def _apply(self, changes: Changes) -> None:
        before = self.snapshot

        def build_snapshot() -> Snapshot:
            put = [item for row in changes.documents if (item := self._read(row)) is not None]
            drop = [key for diff in changes.diffs for key in deletions(diff, self.registry)]
            return before.changed(number=changes.head.number, put=put, drop=drop)

        self._opening = Opening(await in_thread(len(changes.documents), build_snapshot), changes.head)

    def _read(self, row: Row) -> Resource | None:
        if row["kind"] not in self.registry:
            return None  # a kind of a later or earlier version: its documents stay untouched
        kind = self.registry.get(row["kind"])
        pk = normal_pk(kind, row["id"])
        if pk is None:
            _log.error("document %s %r has an impossible key and is ignored", kind.name, row["id"])
            return None
        return self._open(kind, pk, {"schema": row["schema"], "body": decode(row["body"])})

    def _open(self, kind: Kind, pk: Pk, state: Mapping[str, Any]) -> Resource:
        values = open_body(kind, pk, state["body"], schema=state["schema"], sealer=self.sealer)
        return cast("Resource", kind.model(pk=pk, **{name: freeze(value) for name, value in values.items()}))


def _run(statement: Statement) -> Batch[None]:
    yield statement
