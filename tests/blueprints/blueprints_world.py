"""A whole installation without a server: database, planes, default certificates and shipped blueprints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ostiary.app.rooms import KINDS
from ostiary.blueprints.discovery import Discovery
from ostiary.blueprints.report import Report
from ostiary.blueprints.service import apply_paths, check_paths
from ostiary.directory.passwords.pool import Passwords
from ostiary.directory.resources import GROUP, ROLE, TOKEN, USER
from ostiary.directory.rows.backend import DirectoryBackend
from ostiary.events.audit import audit_changes
from ostiary.keys.defaults import make_default_pairs
from ostiary.resource import Registry
from ostiary.seal import Secret
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration.plane import ConfigPlane
from ostiary.store.database import Database
from ostiary.store.workspace.changes import StoredObject
from ostiary.store.workspace.editor import Editor

NOW = 1_700_000_000_000_000

Write = Callable[..., Path]
"""Writes the entries of a blueprint to a file of the given name."""


@dataclass
class World:
    database: Database
    registry: Registry
    editor: Editor
    environ: dict[str, str] = field(default_factory=dict)

    def discovery(self, directory: Path | None = None, registry: Registry | None = None) -> Discovery:
        return Discovery(
            database=self.database,
            editor=self.editor,
            registry=registry or self.registry,
            environ=self.environ,
            directory=directory,
        )

    async def defaults(self, now: int = NOW) -> Report:
        return await self.discovery().apply_shipped(now=now)

    async def apply(self, *paths: str | Path, environ: Mapping[str, str] = MappingProxyType({})) -> Report:
        return await apply_paths(
            paths, editor=self.editor, registry=self.registry, environ=environ, author="tests", now=NOW
        )

    async def check(self, *paths: str | Path, environ: Mapping[str, str] = MappingProxyType({})) -> Report:
        return await check_paths(paths, editor=self.editor, registry=self.registry, environ=environ)

    async def find(self, model: str, **fields: object) -> StoredObject | None:
        workspace = await self.editor.open()
        return await workspace.find(model, list(fields.items()))

    async def one(self, model: str, **fields: object) -> StoredObject:
        found = await self.find(model, **fields)
        assert found is not None, (model, fields)
        return found

    async def change(self, model: str, by: Mapping[str, object], **values: object) -> None:
        async def work(workspace: object) -> None:
            found = await workspace.find(model, list(by.items()))  # type: ignore[attr-defined]
            await workspace.update(found, values)  # type: ignore[attr-defined]

        await self.editor.edit(work, author="somebody", message="by hand", now=NOW)

    async def delete(self, model: str, **by: object) -> None:
        async def work(workspace: object) -> None:
            found = await workspace.find(model, list(by.items()))  # type: ignore[attr-defined]
            await workspace.delete(found)  # type: ignore[attr-defined]

        await self.editor.edit(work, author="somebody", message="by hand", now=NOW)

    async def documents(self) -> list[tuple[object, ...]]:
        """Return every configuration document, without primary keys, in a comparable order."""
        rows = await self.database.fetch("SELECT kind, body FROM document ORDER BY kind, body")
        return [(row["kind"], row["body"]) for row in rows]


async def make_world(database: Database) -> World:
    registry = Registry(KINDS)
    sealer = Sealer(Secret("a secret key for tests"))
    plane = ConfigPlane(database=database, registry=registry, sealer=sealer)
    await plane.load()
    backend = DirectoryBackend(database, Passwords(workers=1, queue=2), sealer)
    editor = Editor(plane, dict.fromkeys((USER, GROUP, ROLE, TOKEN), backend), audit_changes)
    await make_default_pairs(editor, plane.snapshot, now=NOW)
    return World(database, registry, editor)
