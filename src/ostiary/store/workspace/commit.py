"""The one batch of a unit of work: lock the head, write documents, edges and directory rows, record the revision."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ostiary.record import dataclass
from ostiary.resource import Plane, Registry
from ostiary.resource.codec import encode_canonical
from ostiary.seal.envelope import Sealer
from ostiary.store.configuration import config_tables as tables
from ostiary.store.configuration.config_tables import Edge, Head
from ostiary.store.configuration.documents import seal_body
from ostiary.store.configuration.revisions import write_diff
from ostiary.store.configuration.snapshot import targets
from ostiary.store.database import Batch, Database, Statement
from ostiary.store.workspace.changes import Backend, Change, Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The content of a commit: prepared changes of both planes, and the edges of every changed document."""

    head: Head
    registry: Registry
    changes: Sequence[Change]
    edges: Mapping[Key, Sequence[Edge]]
    sealer: Sealer
    backends: Mapping[str, Backend]

    @property
    def revision(self) -> int | None:
        """The number of the revision, or None when no document changes."""
        return self.head.number + 1 if any(one.kind.plane is Plane.CONFIG for one in self.changes) else None

    def statements(self, *, author: str, message: str, now: int) -> list[Statement]:
        """Return all statements in order; the lock of the head is the first."""
        config = [one for one in self.changes if one.kind.plane is Plane.CONFIG]
        rows = [one for one in self.changes if one.kind.plane is Plane.DIRECTORY]
        deleted = [one for one in rows if one.after is None]
        statements: list[Statement] = []
        if config or any(self._crosses(one) for one in rows):
            number = self.head.number if self.revision is None else self.revision
            statements.append(tables.advance(self.head, number=number, cuts=self.head.cuts + len(deleted)))
        for one in config:
            statements.extend(self._document(one))
        for one in rows:
            statements.extend(self.backends[one.kind.name].writes(one, now=now))
        statements.extend(tables.unreferenced(one.kind.name, one.pk) for one in deleted)
        if self.revision is not None:
            diff = write_diff(config, self.sealer)
            statements.append(
                tables.insert_revision(self.revision, created=now, author=author, message=message, diff=diff)
            )
        return statements

    def _crosses(self, change: Change) -> bool:
        """Return whether a directory change concerns the other plane: a deletion, or a reference to a document."""
        if change.after is None:
            return True
        return any(
            targets(field, change.after.get(name))
            and any(kind.plane is Plane.CONFIG for kind in self.registry.family(field.reference.target))
            for name, field in change.kind.fields.items()
            if field.reference is not None
        )

    def _document(self, change: Change) -> Iterator[Statement]:
        kind, key = change.kind, str(change.pk)
        if change.after is None:
            yield tables.delete_edges(kind.name, key)
            yield tables.delete_document(kind.name, key)
            return
        body = encode_canonical(seal_body(kind, change.pk, change.after, self.sealer))
        write = tables.insert_document if change.before is None else tables.update_document
        yield write(kind.name, key, schema=kind.schema, body=body, revision=self.head.number + 1)
        if change.before is not None:
            if not _references_changed(change):
                return
            yield tables.delete_edges(kind.name, key)
        for edge in self.edges[kind.name, change.pk]:
            yield tables.insert_edge(kind.name, key, edge)


def run(statements: Sequence[Statement]) -> Batch[None]:
    """Run statements as one batch."""
    for statement in statements:  # noqa: UP028 - a list cannot be sent results
        yield statement


async def write_all(database: Database, statements: Iterable[Statement]) -> None:
    """Run statements in one transaction."""
    closed = tuple(statements)
    await database.write(lambda: run(closed))


def _references_changed(change: Change) -> bool:
    before, after = change.before or {}, change.after or {}
    return any(
        before.get(name) != after.get(name) for name, field in change.kind.fields.items() if field.reference is not None
    )
