"""The workspace: one management unit of work over configuration and directory, validated, then committed at once.

It keeps its changes pending and shows them to its own look-ups. Nothing is written before `commit`; a workspace that
is dropped leaves nothing behind, which is how a plan is made.
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
from ostiary.store.pace import Pace, aside
from ostiary.store.patience import patient
from ostiary.store.workspace.changes import Backend, Change, Committed, Key, Referenced, Referrer, Stored, normal_pk
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
    "Stored",
    "Workspace",
]

T = TypeVar("T")

Audit = Callable[[Sequence[Change], str, int], Iterable[Statement]]
"""Gets changes, author and time; returns the statements of the audit rows."""

COUNTER: Final = "provider"
ATTEMPTS: Final = 16
COMMIT_WITHIN: Final = 60.0  # seconds to write all that one blueprint changes
_PAUSE: Final = 0.01  # seconds, times the number of attempts, times a random share


class Workspace:
    """Pending changes over one opening of the planes. Made by `Editor`; not to be shared between tasks."""

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
        self._view = Overlay(plane.registry, opening.snapshot, backends)
        self._keys = OrderedKeys()

    @property
    def registry(self) -> Registry:
        """The kinds there are."""
        return self._plane.registry

    @property
    def snapshot(self) -> Snapshot:
        """The configuration before this work's own changes."""
        return self._opening.snapshot

    @property
    def changes(self) -> tuple[Change, ...]:
        """The pending changes, in order."""
        return self._view.changes

    async def find(self, target: str, lookups: Sequence[tuple[str, object]]) -> Stored | None:
        """Return the first matching object (see `match`)."""
        found = await self.match(target, lookups)
        return found[0] if found else None

    async def match(self, target: str, lookups: Sequence[tuple[str, object]]) -> Sequence[Stored]:
        """Return the objects of a kind or family for which all look-ups hold; one named by `pk` comes first.

        `pk` is an alternative to all the others. Raises UnknownKind, InvalidResource for a name that is no field.
        """
        await self._pace.breathe()
        found: list[Stored] = []
        wrong: list[InvalidResource] = []
        kinds = self._view.kinds(target)
        for kind in kinds:
            try:
                query = read_query(kind, lookups, self.registry)
            except InvalidResource as error:  # in a family, another kind may have the field
                wrong.append(error)
            else:
                found.extend(await self._view.match(kind, query))
        if len(wrong) == len(kinds):
            raise wrong[0]
        return found

    async def get(self, target: str, pk: object) -> Stored | None:
        """Return the object of a kind or family with that primary key, in any spelling. Raises UnknownKind."""
        return await self._view.resolve(target, pk)

    async def create(self, kind: Kind | str, values: Mapping[str, object], *, pk: object = None) -> Stored:
        """Add an object; without `pk` it gets the next key. Raises InvalidResource with all problems, UnknownKind."""
        await self._pace.breathe()
        definition = self.registry.get(kind) if isinstance(kind, str) else kind
        key, problems = await self._key(definition, pk)
        checked = await validated(self._view, definition, values, pk=key, problems=problems)
        return self._view.put(Stored(definition, key, round_trip(definition, checked)))

    async def update(self, stored: Stored, values: Mapping[str, object], *, note: object = None) -> Stored:
        """Change the listed fields of an object and return its new state; `note` goes to its backend (`Change.note`).

        Raises InvalidResource with all problems.
        """
        await self._pace.breathe()
        current = await self._view.get(stored.kind, stored.pk)
        if current is None:
            raise InvalidResource(stored.kind.name, [Problem("", f"{stored.label} does not exist any more")])
        checked = await validated(self._view, stored.kind, values, pk=stored.pk, current=current.values)
        return self._view.put(Stored(stored.kind, stored.pk, round_trip(stored.kind, checked)), note)

    async def delete(self, stored: Stored) -> None:
        """Remove an object, and what hangs on it as the definitions say; what is gone already is no error.

        Raises Referenced naming who still needs it, InvalidResource when what must lose a reference is not valid
        without; then nothing is changed.
        """
        current = await self._view.get(stored.kind, stored.pk)
        if current is None:
            return
        removal = await Removal.plan(self._view, current)
        pending = self._view.pending()
        try:
            for one, values in removal.cuts():
                await self.update(one, values)
        except InvalidResource:
            self._view.restore(pending)
            raise
        for one in removal.doomed.values():
            self._view.drop(one)

    async def settle(self) -> None:
        """Drop what turns out to change nothing once it is compared with what is stored, such as the same password."""
        for change in self.changes:
            if change.kind.plane is Plane.DIRECTORY and change.before is not None and change.after is not None:
                settled = await self._view.backend(change.kind).settle(change)
                if settled is not change:
                    self._view.put(Stored(change.kind, change.pk, settled.after or {}))

    def pending(self) -> dict[Key, Stored | None]:
        """Return the pending changes, for `restore`."""
        return self._view.pending()

    def restore(self, pending: Mapping[Key, Stored | None]) -> None:
        """Roll back to earlier pending changes."""
        self._view.restore(pending)

    async def commit(self, *, author: str, message: str, now: int) -> Committed | None:
        """Write everything in one transaction: at most one revision. None when nothing changed.

        Raises Conflict when the planes moved meanwhile (run the work again on a new workspace), InvalidResource when
        a backend refuses, Unavailable.
        """
        prepared = [await self._prepared(change) for change in self.changes]
        await self._pace.breathe()
        changes = tuple(change for change in prepared if not _is_idle(change))
        if not changes:
            return None
        work = Commit(
            head=self._opening.head,
            registry=self.registry,
            changes=changes,
            edges={(one.kind.name, one.pk): await self._edges(one) async for one in self._slowly(changes)},
            sealer=self._plane.sealer,
            backends=self._backends,
        )

        def made() -> list[Statement]:
            return [*work.statements(author=author, message=message, now=now), *self._audit(changes, author, now)]

        statements = await aside(len(changes), made)
        with patient(COMMIT_WITHIN):
            await self._plane.database.write(lambda: run(statements))
        return Committed(work.revision, changes)

    async def _slowly(self, changes: Sequence[Change]) -> AsyncIterator[Change]:
        for one in changes:
            await self._pace.breathe()
            yield one

    async def _key(self, kind: Kind, pk: object) -> tuple[Pk, list[Problem]]:
        if pk is None:
            return await self._allocate(kind), []
        key = normal_pk(kind, pk)
        if key is None:
            expected = "a whole number" if kind.numbering is Numbering.INTEGER else "a UUID"
            return "", [Problem("pk", f"expected {expected}")]
        if await self._view.get(kind, key) is not None:
            return key, [Problem("pk", f"{key} is already used by another {kind.name}")]
        return key, []

    async def _allocate(self, kind: Kind) -> Pk:
        if kind.plane is Plane.DIRECTORY:
            return await self._view.backend(kind).allocate(kind)
        if kind.numbering is Numbering.UUID:
            return self._keys.new()
        number = await self._plane.database.write(lambda: next_number(COUNTER))
        while await self._view.get(kind, number) is not None:  # somebody gave a key of their own
            number = await self._plane.database.write(lambda: next_number(COUNTER))
        return number

    async def _prepared(self, change: Change) -> Change:
        if change.kind.plane is Plane.CONFIG:
            return change
        return await self._view.backend(change.kind).prepare(change)

    async def _edges(self, change: Change) -> Sequence[Edge]:
        edges: list[Edge] = []
        if change.after is None or change.kind.plane is Plane.DIRECTORY:
            return edges
        for name, field in change.kind.fields.items():
            if field.reference is None:
                continue
            for position, pk in enumerate(targets(field, change.after.get(name))):
                target = await self._view.resolve(field.reference.target, pk)
                if target is not None:
                    edges.append(Edge(name, position, target.kind.name, str(target.pk)))
        return edges


def _is_idle(change: Change) -> bool:
    """Tell whether a backend found that nothing changes after all: the same password, for example."""
    if change.before is None or change.after is None:
        return False
    return same(change.kind, change.before, change.after)


class Editor:
    """Opens workspaces and commits them: the way to save configuration and directory objects."""

    def __init__(self, plane: ConfigPlane, backends: Mapping[str, Backend], audit: Audit, *, rest: float = 0.0) -> None:
        """Take the plane, the backends of directory kinds by kind name, and what makes the audit rows of a commit.

        `rest` is how long others have the loop between two slices of long work, in seconds.
        """
        self._rest = rest
        self.plane = plane
        self._backends = backends
        self._audit = audit

    async def open(self) -> Workspace:
        """Return a workspace on the newest state, for a plan or a single look. Raises Unavailable."""
        opening = await self.plane.opening()
        return Workspace(self.plane, opening, backends=self._backends, audit=self._audit, pace=Pace(self._rest))

    async def edit(
        self, work: Callable[[Workspace], Awaitable[T]], *, author: str, message: str, now: int
    ) -> tuple[T, Committed | None]:
        """Run `work` on a fresh workspace and commit; again on a newer state when another commit was first.

        `work` must have no effect but on its workspace. Returns its value, and None when nothing changed.
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
                    with contextlib.suppress(Unavailable):  # it is written; `watch` catches up
                        await self.plane.refresh()
                return value, committed
        raise AssertionError  # pragma: no cover - the last attempt returns or raises
