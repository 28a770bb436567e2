"""The workspace: a unit of work over configuration and directory, validated, then committed in one transaction.

Its changes are pending, and visible to its own look-ups. Nothing is written before `commit`; a discarded workspace has
no effect, which is how a dry run works.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from ostiary.resource import InvalidResource, Kind, Numbering, Pk, Plane, Problem, Registry
from ostiary.store.configuration.config_tables import Edge
from ostiary.store.configuration.documents import round_trip, same
from ostiary.store.configuration.plane import ConfigPlane, Opening
from ostiary.store.configuration.snapshot import Snapshot, targets
from ostiary.store.counter import next_number
from ostiary.store.database import Conflict, Statement, Unavailable
from ostiary.store.ordered_key import OrderedKeys
from ostiary.store.pace import Pace, in_thread
from ostiary.store.timeouts import extended_timeout
from ostiary.store.workspace.changes import (
    Backend,
    Change,
    Committed,
    Key,
    Referenced,
    Referrer,
    StoredObject,
    normal_pk,
)
from ostiary.store.workspace.commit import Commit, run
from ostiary.store.workspace.lookup import read_query
from ostiary.store.workspace.overlay import Overlay
from ostiary.store.workspace.removal import Removal
from ostiary.store.workspace.validation import validated

__all__ = [
    "Audit",
    "Backend",
    "Change",
    "Committed",
    "Editor",
    "Referenced",
    "Referrer",
    "StoredObject",
    "Workspace",
]

T = TypeVar("T")

Audit = Callable[[Sequence[Change], str, int], Iterable[Statement]]
"""Takes changes, author and time; returns the statements of the audit rows."""

COUNTER: Final = "provider"
ATTEMPTS: Final = 16
COMMIT_TIMEOUT: Final = 60.0  # seconds to write all that one blueprint changes
_PAUSE: Final = 0.01  # seconds, times the number of attempts, times a random share


class Workspace:
    """Pending changes over one opening of the planes. Created by `Editor`; not to be shared between tasks."""

    def __init__(
        self,
        plane: ConfigPlane,
        opening: Opening,
        *,
        backends: Mapping[str, Backend],
        audit: Audit,
        pace: Pace | None = None,
    ) -> None:
        self._plane = plane
        self._opening = opening
        self._backends = backends
        self._audit = audit
        self._pace = pace or Pace()
        self._overlay = Overlay(plane.registry, opening.snapshot, backends)
        self._keys = OrderedKeys()

    @property
    def registry(self) -> Registry:
        """The registry of kinds."""
        return self._plane.registry

    @property
    def snapshot(self) -> Snapshot:
        """The configuration without the pending changes."""
        return self._opening.snapshot

    @property
    def changes(self) -> tuple[Change, ...]:
        """The pending changes, in order."""
        return self._overlay.changes

    async def find(self, target: str, lookups: Sequence[tuple[str, object]]) -> StoredObject | None:
        """Return the first matching object (see `match`)."""
        matches = await self.match(target, lookups)
        return matches[0] if matches else None

    async def match(self, target: str, lookups: Sequence[tuple[str, object]]) -> Sequence[StoredObject]:
        """Return the objects of a kind or family that match all look-ups; the one with `pk` comes first.

        `pk` is an alternative to all the others. Raises UnknownKind, InvalidResource for an unknown field.
        """
        await self._pace.pause()
        matches: list[StoredObject] = []
        errors: list[InvalidResource] = []
        kinds = self._overlay.kinds(target)
        for kind in kinds:
            try:
                query = read_query(kind, lookups, self.registry)
            except InvalidResource as error:  # in a family, another kind may have the field
                errors.append(error)
            else:
                matches.extend(await self._overlay.match(kind, query))
        if len(errors) == len(kinds):
            raise errors[0]
        return matches

    async def get(self, target: str, pk: object) -> StoredObject | None:
        """Return the object of a kind or family by primary key, in any spelling. Raises UnknownKind."""
        return await self._overlay.resolve(target, pk)

    async def create(self, kind: Kind | str, values: Mapping[str, object], *, pk: object = None) -> StoredObject:
        """Create an object, with the next key if `pk` is None. Raises InvalidResource (all problems), UnknownKind."""
        await self._pace.pause()
        definition = self.registry.get(kind) if isinstance(kind, str) else kind
        key, problems = await self._key(definition, pk)
        checked = await validated(self._overlay, definition, values, pk=key, problems=problems)
        return self._overlay.put(StoredObject(definition, key, round_trip(definition, checked)))

    async def update(self, stored: StoredObject, values: Mapping[str, object], *, note: object = None) -> StoredObject:
        """Update the given fields of an object and return its new state; `note` goes to its backend (`Change.note`).

        Raises InvalidResource with all problems.
        """
        await self._pace.pause()
        current = await self._overlay.get(stored.kind, stored.pk)
        if current is None:
            raise InvalidResource(stored.kind.name, [Problem("", f"{stored.label} does not exist any more")])
        checked = await validated(self._overlay, stored.kind, values, pk=stored.pk, current=current.values)
        return self._overlay.put(StoredObject(stored.kind, stored.pk, round_trip(stored.kind, checked)), note)

    async def delete(self, stored: StoredObject) -> None:
        """Delete an object, with cascades and cut references. A missing object is no error.

        Raises Referenced with the protecting objects, InvalidResource when an object is invalid without a cut
        reference; then nothing changes.
        """
        current = await self._overlay.get(stored.kind, stored.pk)
        if current is None:
            return
        removal = await Removal.plan(self._overlay, current)
        pending = self._overlay.pending()
        try:
            for stored_object, values in removal.cuts():
                await self.update(stored_object, values)
        except InvalidResource:
            self._overlay.restore(pending)
            raise
        for stored_object in removal.deleted.values():
            self._overlay.drop(stored_object)

    async def settle(self) -> None:
        """Drop changes that equal the stored state, such as the same password."""
        for change in self.changes:
            if change.kind.plane is Plane.DIRECTORY and change.before is not None and change.after is not None:
                settled = await self._overlay.backend(change.kind).settle(change)
                if settled is not change:
                    self._overlay.put(StoredObject(change.kind, change.pk, settled.after or {}))

    def pending(self) -> dict[Key, StoredObject | None]:
        """Return the pending changes, for `restore`."""
        return self._overlay.pending()

    def restore(self, pending: Mapping[Key, StoredObject | None]) -> None:
        """Roll back to earlier pending changes."""
        self._overlay.restore(pending)

    async def commit(self, *, author: str, message: str, now: int) -> Committed | None:
        """Write all changes in one transaction, with at most one revision. None when nothing changed.

        Raises Conflict after a concurrent commit (repeat the work on a new workspace), InvalidResource when a backend
        refuses, Unavailable.
        """
        prepared = [await self._prepared(change) for change in self.changes]
        await self._pace.pause()
        changes = tuple(change for change in prepared if not _is_unchanged(change))
        if not changes:
            return None
        work = Commit(
            head=self._opening.head,
            registry=self.registry,
            changes=changes,
            edges={(one.kind.name, one.pk): await self._edges(one) async for one in self._paced(changes)},
            sealer=self._plane.sealer,
            backends=self._backends,
        )

        def build() -> list[Statement]:
            return [*work.statements(author=author, message=message, now=now), *self._audit(changes, author, now)]

        statements = await in_thread(len(changes), build)
        with extended_timeout(COMMIT_TIMEOUT):
            await self._plane.database.write(lambda: run(statements))
        return Committed(work.revision, changes)

    async def _paced(self, changes: Sequence[Change]) -> AsyncIterator[Change]:
        for one in changes:
            await self._pace.pause()
            yield one

    async def _key(self, kind: Kind, pk: object) -> tuple[Pk, list[Problem]]:
        if pk is None:
            return await self._allocate(kind), []
        key = normal_pk(kind, pk)
        if key is None:
            expected = "a whole number" if kind.numbering is Numbering.INTEGER else "a UUID"
            return "", [Problem("pk", f"expected {expected}")]
        if await self._overlay.get(kind, key) is not None:
            return key, [Problem("pk", f"{key} is already used by another {kind.name}")]
        return key, []

    async def _allocate(self, kind: Kind) -> Pk:
        if kind.plane is Plane.DIRECTORY:
            return await self._overlay.backend(kind).allocate(kind)
        if kind.numbering is Numbering.UUID:
            return self._keys.new()
        number = await self._plane.database.write(lambda: next_number(COUNTER))
        while await self._overlay.get(kind, number) is not None:  # a key that somebody chose
            number = await self._plane.database.write(lambda: next_number(COUNTER))
        return number

    async def _prepared(self, change: Change) -> Change:
        if change.kind.plane is Plane.CONFIG:
            return change
        return await self._overlay.backend(change.kind).prepare(change)

    async def _edges(self, change: Change) -> Sequence[Edge]:
        edges: list[Edge] = []
        if change.after is None or change.kind.plane is Plane.DIRECTORY:
            return edges
        for name, field in change.kind.fields.items():
            if field.reference is None:
                continue
            for position, pk in enumerate(targets(field, change.after.get(name))):
                target = await self._overlay.resolve(field.reference.target, pk)
                if target is not None:
                    edges.append(Edge(name, position, target.kind.name, str(target.pk)))
        return edges


def _is_unchanged(change: Change) -> bool:
    """Return whether a prepared change equals the stored state: the same password, for example."""
    if change.before is None or change.after is None:
        return False
    return same(change.kind, change.before, change.after)


class Editor:
    """Opens and commits workspaces: the way to save configuration and directory objects."""

    def __init__(self, plane: ConfigPlane, backends: Mapping[str, Backend], audit: Audit, *, rest: float = 0.0) -> None:
        """`backends` are by kind name; `audit` returns the audit rows of a commit.

        `rest` is the pause between slices of long work, in seconds.
        """
        self._rest = rest
        self.plane = plane
        self._backends = backends
        self._audit = audit

    async def open(self) -> Workspace:
        """Return a workspace on the newest state, for a dry run or a look-up. Raises Unavailable."""
        opening = await self.plane.opening()
        return Workspace(self.plane, opening, backends=self._backends, audit=self._audit, pace=Pace(self._rest))

    async def edit(
        self, work: Callable[[Workspace], Awaitable[T]], *, author: str, message: str, now: int
    ) -> tuple[T, Committed | None]:
        """Run `work` on a new workspace and commit it; repeat it on the newer state after a concurrent commit.

        `work` may have effects on its workspace only. Returns its value, and None when nothing changed.
        Raises what `work` raises, Conflict after 16 attempts, InvalidResource, Unavailable.
        """
        for attempt in range(1, ATTEMPTS + 1):
            workspace = await self.open()
            value = await work(workspace)
            try:
                committed = await workspace.commit(author=author, message=message, now=now)
            except Conflict:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE * attempt * random.random())  # noqa: S311 - spreads contenders
            else:
                if committed is not None:
                    with contextlib.suppress(Unavailable):  # it is written; `watch` refreshes later
                        await self.plane.refresh()
                return value, committed
        raise AssertionError  # pragma: no cover - the last attempt returns or raises
