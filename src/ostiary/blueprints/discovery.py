"""The discovery of blueprints: keeps the shipped ones, those of the directory, and instances with a text applied.

A blueprint is applied when its hash differs from the one applied last, or when it failed last time. Each gets an
instance by itself; the instance of a file that vanished is removed, its objects stay.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from ostiary.blueprints.applying.apply import Order, Surroundings
from ostiary.blueprints.errors import BlueprintError, Unreadable
from ostiary.blueprints.files import find_files, read_bytes, read_text_file
from ostiary.blueprints.passes import Passes
from ostiary.blueprints.report import FileResult, Report
from ostiary.blueprints.resources import BlueprintInstance
from ostiary.blueprints.service import committing_attempt
from ostiary.blueprints.shipped import shipped_files
from ostiary.blueprints.states import State, forget_state, read_states, save_state
from ostiary.blueprints.text.document import Blueprint
from ostiary.blueprints.text.source import TextPosition
from ostiary.blueprints.text.wrapper import read_file
from ostiary.record import dataclass
from ostiary.resource import Registry
from ostiary.resource.bounded_cache import BoundedCache
from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Database
from ostiary.store.workspace.changes import Referenced
from ostiary.store.workspace.commit import run
from ostiary.store.workspace.editor import Editor, Workspace

AUTHOR: Final = "blueprints"
_MAX_LOGGED_NOTICES: Final = 1_024  # notices that are remembered, so that each is logged once
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Sources:
    """All available blueprints, by path."""

    blueprints: dict[str, Blueprint] = field(default_factory=dict)
    errors: dict[str, BlueprintError] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)  # files that were there, readable or not
    broken: set[str] = field(default_factory=set)  # files of which no part could be read

    def add(self, data: bytes, path: str) -> None:
        """Read one file."""
        self.files.add(path)
        loaded = read_file(data, path=path)
        self.blueprints.update({one.path: one for one in loaded.blueprints})
        self.errors.update(dict(loaded.errors))
        self.notices.extend(loaded.notices)
        if path in dict(loaded.errors):
            self.broken.add(path)

    def still_exists(self, path: str) -> bool:
        """Return whether the place of a blueprint still exists, even if it cannot be read now."""
        file = path.partition("#")[0]
        return path in self.blueprints or path in self.errors or file in self.broken


class Discovery:
    """The discovery, for start-up and jobs."""

    def __init__(
        self,
        *,
        database: Database,
        editor: Editor,
        registry: Registry,
        environ: Mapping[str, str],
        directory: Path | None,
    ) -> None:
        self.directory = directory
        self._database = database
        self._editor = editor
        self._surroundings = Surroundings(registry, environ, read_text_file)
        self._lock = asyncio.Lock()
        self._logged_notices: BoundedCache[str, bool] = BoundedCache(_MAX_LOGGED_NOTICES)  # notices that were logged

    async def apply_shipped(self, *, now: int) -> Report:
        """Apply the shipped blueprints that are new or have changed. Without any, this is one query.

        Call it at start-up after the default certificates are made. Raises Unavailable.
        """
        states = await read_states(self._database)
        due = {
            path: data
            for path, data in shipped_files().items()
            if path not in states or states[path].last_applied_hash != self._shipped_digest(data)
        }
        if not due:
            return Report()
        async with self._lock:
            sources = _Sources()
            for path, data in due.items():
                sources.add(data, path)
            return await self._apply(sources, states, shipped=due, now=now)

    async def run(self, *, now: int) -> Report:
        """Apply what is new, changed or failed last time. Raises Unavailable."""
        async with self._lock:
            states = await read_states(self._database)
            sources, shipped = await asyncio.to_thread(self._read)
            await self._add_contents(sources)
            report = await self._apply(sources, states, shipped=shipped, now=now)
            if self.directory is not None and self.directory.is_dir():
                await self._forget_vanished(sources, states, now=now)
            return report

    def _read(self) -> tuple[_Sources, Mapping[str, bytes]]:
        """Read the directory, and the shipped files it does not replace."""
        sources = _Sources()
        if self.directory is not None:
            self._read_directory(sources, self.directory)
        shipped = {path: data for path, data in shipped_files().items() if path not in sources.files}
        for path, data in shipped.items():
            sources.add(data, path)
        return sources, shipped

    def _read_directory(self, sources: _Sources, directory: Path) -> None:
        if not directory.is_dir():
            sources.notices.append(f"the blueprints directory {directory} does not exist")
            return
        for name, file in find_files(directory):
            try:
                sources.add(read_bytes(file, name), name)
            except Unreadable as error:
                sources.files.add(name)
                sources.broken.add(name)
                sources.errors[name] = error

    async def _instances(self) -> dict[str, BlueprintInstance]:
        snapshot = await self._editor.plane.refresh()
        return {one.path or _content_path(one): one for one in snapshot.all(BlueprintInstance)}

    async def _add_contents(self, sources: _Sources) -> None:
        for path, instance in (await self._instances()).items():
            if instance.content and instance.enabled:
                loaded = read_file(instance.content.encode(), path=path)
                sources.blueprints.update({one.path: one for one in loaded.blueprints})
                sources.errors.update(dict(loaded.errors))
            elif instance.enabled and path.startswith("oci://"):
                sources.errors[path] = Unreadable.at(TextPosition(path, 1, 1), "OCI registries are not available yet")

    async def _apply(
        self, sources: _Sources, states: Mapping[str, State], *, shipped: Mapping[str, bytes], now: int
    ) -> Report:
        instances = await self._instances()
        orders: dict[str, Order] = {}
        digests: dict[str, str] = {}
        for path, blueprint in sources.blueprints.items():
            instance = instances.get(path)
            if (instance is None and not blueprint.instantiate) or (instance is not None and not instance.enabled):
                continue
            context = {} if instance is None else instance.context
            state = states.get(path)
            remembered = (state.primary_keys if state is not None else {}) if path in shipped else None
            orders[path] = Order(blueprint, context, remembered)
            digest = self._shipped_digest(shipped[path]) if path in shipped else blueprint.digest
            digests[path] = _digest(digest, context)
        due = [order for path, order in orders.items() if _is_due(states.get(path), digests[path])]
        attempt = committing_attempt(self._editor, self._surroundings, author=AUTHOR, now=now, after=_instantiate)
        results = await Passes(due, attempt, available=list(orders.values())).run()
        failed = [FileResult(path, path, error=error) for path, error in sources.errors.items()]
        for result in (*failed, *results):
            if result.error is not None and result.path in orders:
                await self._instantiate_failed(orders[result.path], now=now)
        await self._save_results((*failed, *results), states, digests, shipped=shipped, now=now)
        for notice in sources.notices:
            if notice not in self._logged_notices:
                self._logged_notices.keep(notice, value=True)
                _log.warning("%s", notice)
        return Report((*failed, *results), tuple(sources.notices))

    def _shipped_digest(self, data: bytes) -> str:
        """Return the digest of a shipped file and of the names of all kinds, which the read-only role lists."""
        kinds = " ".join(sorted(kind.name for kind in self._surroundings.registry))
        return hashlib.sha512(data + kinds.encode()).hexdigest()

    async def _instantiate_failed(self, order: Order, *, now: int) -> None:
        async def work(workspace: Workspace) -> None:
            await _instantiate(workspace, order)

        await self._editor.edit(work, author=AUTHOR, message=f"Found blueprint {order.blueprint.name}", now=now)

    async def _save_results(
        self,
        results: Sequence[FileResult],
        states: Mapping[str, State],
        digests: Mapping[str, str],
        *,
        shipped: Mapping[str, bytes],
        now: int,
    ) -> None:
        """Store and log the results; an unchanged error is not logged again."""
        statements = []
        for result in results:
            before = states.get(result.path)
            message = "" if result.error is None else str(result.error)
            if result.error is not None and (before is None or before.message != message):
                _log.error("blueprint %s was not applied: %s", result.path, message)
            elif result.applied.changed:
                first_start = result.path in shipped and before is None  # seventeen lines of no interest
                _log.log(logging.DEBUG if first_start else logging.INFO, "blueprint %s was applied", result.path)
            for notice in result.applied.notices:
                _log.warning("blueprint %s: %s", result.path, notice)
            primary_keys = dict(before.primary_keys) if before is not None else {}
            applied = result.applied.keys if result.path in shipped else {}
            state = State(
                path=result.path,
                status="error" if result.error is not None else "warning" if result.applied.notices else "successful",
                last_applied=now,
                last_applied_hash=digests[result.path]
                if result.error is None
                else (before.last_applied_hash if before is not None else ""),
                message=message,
                primary_keys={**primary_keys, **applied},
            )
            statements.append(save_state(state))
        if statements:
            await self._database.write(lambda: run(statements))

    async def _forget_vanished(self, sources: _Sources, states: Mapping[str, State], *, now: int) -> None:
        instances = await self._instances()
        vanished = [
            one
            for path, one in instances.items()
            if one.path and not _is_remote(path) and not sources.still_exists(path)
        ]

        async def work(workspace: Workspace) -> None:
            for instance in vanished:
                stored = await workspace.get(BlueprintInstance.KIND.name, instance.pk)
                if stored is not None:
                    await workspace.delete(stored)

        if vanished:
            names = ", ".join(one.path for one in vanished)
            try:
                await self._editor.edit(work, author=AUTHOR, message=f"Blueprints vanished: {names}"[:500], now=now)
            except Referenced as error:
                _log.warning("the instance of a vanished blueprint stays: %s", error)
        content = {path for path, one in instances.items() if one.content}
        stale = [
            forget_state(path)
            for path in states
            if path not in content and not _is_remote(path) and not sources.still_exists(path)
        ]
        if stale:
            await self._database.write(lambda: run(stale))


async def _instantiate(workspace: Workspace, order: Order) -> None:
    """Create the instance of a file, if it has none; when the name is taken, the path is added to it."""
    blueprint, kind = order.blueprint, BlueprintInstance.KIND.name
    if blueprint.path.startswith("content:") or await workspace.find(kind, [("path", blueprint.path)]) is not None:
        return
    name_taken = await workspace.find(kind, [("name", blueprint.name)]) is not None
    name = f"{blueprint.name} ({blueprint.path})" if name_taken else blueprint.name
    await workspace.create(kind, {"name": name, "path": blueprint.path})


def _content_path(instance: BlueprintInstance) -> str:
    return f"content:{instance.pk}"


def _is_remote(path: str) -> bool:
    return path.startswith("oci://")


def _digest(digest: str, context: Mapping[str, object]) -> str:
    if not context:
        return digest
    return hashlib.sha512((digest + encode_canonical(dict(context))).encode()).hexdigest()


def _is_due(state: State | None, digest: str) -> bool:
    return state is None or state.status == "error" or state.last_applied_hash != digest
