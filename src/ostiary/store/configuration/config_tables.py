"""The tables of the configuration plane and every statement on them.

`config_head` is one row: the newest revision number, the number of directory objects deleted so far (`cuts`), and the
canary of the secret key. Every commit updates this row first, guarded by the state it was validated against.
That serializes commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.store.database import Batch, Conflict, Database, Guard, Row, Statement
from ostiary.store.migrations import Migration

MIGRATIONS: Final = (
    Migration(
        number=11,
        room="store",
        title="config plane",
        statements=(
            (
                "CREATE TABLE config_head (id {int} PRIMARY KEY CHECK (id = 1), number {int} NOT NULL,"
                " cuts {int} NOT NULL, canary {text} NOT NULL)"
            ),
            "INSERT INTO config_head (id, number, cuts, canary) VALUES (1, 0, 0, '')",
            (
                "CREATE TABLE revision (number {int} PRIMARY KEY, created {int} NOT NULL, author {text} NOT NULL,"
                " message {text} NOT NULL, diff {text} NOT NULL)"
            ),
            (
                "CREATE TABLE document (kind {text} NOT NULL, id {text} NOT NULL, schema {int} NOT NULL,"
                " body {text} NOT NULL, revision {int} NOT NULL, PRIMARY KEY (kind, id))"
            ),
            "CREATE INDEX document_revision ON document (revision)",
            (
                "CREATE TABLE edge (source_kind {text} NOT NULL, source_id {text} NOT NULL, field {text} NOT NULL,"
                " position {int} NOT NULL, target_kind {text} NOT NULL, target_id {text} NOT NULL,"
                " PRIMARY KEY (source_kind, source_id, field, position))"
            ),
            "CREATE INDEX edge_target ON edge (target_kind, target_id)",
        ),
    ),
)

HEAD: Final = "SELECT number, cuts, canary FROM config_head WHERE id = 1"


@dataclass(frozen=True, slots=True)
class Head:
    """The state a unit of work is validated against."""

    number: int
    cuts: int
    canary: str = ""


@dataclass(frozen=True, slots=True)
class Edge:
    """One reference from a document to an object of either plane."""

    field: str
    position: int
    target_kind: str
    target_id: str


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes since a revision: the head, changed documents, and the diffs of the revisions between."""

    head: Head
    documents: Sequence[Row]
    diffs: Sequence[str]


def read_head(row: Row) -> Head:
    """Return the head from its row."""
    return Head(int(row["number"] or 0), int(row["cuts"] or 0), str(row["canary"] or ""))


async def fetch_head(database: Database) -> Head:
    """Return the head; one small SELECT."""
    return read_head((await database.fetch(HEAD))[0])


def fetch_changes(since: int) -> Batch[Changes]:
    """Read all changes after revision `since` from one consistent state; -1 reads all documents and no diffs."""
    head = read_head((yield Statement(HEAD))[0])
    documents = yield Statement(
        "SELECT kind, id, schema, body FROM document WHERE revision > ? ORDER BY kind, id", (since,)
    )
    if since < 0:
        return Changes(head, documents.rows, ())
    diffs = yield Statement("SELECT diff FROM revision WHERE number > ? ORDER BY number", (since,))
    return Changes(head, documents.rows, [str(row["diff"]) for row in diffs])


def set_canary(canary: str) -> Statement:
    """Store the canary, unless another process was first."""
    return Statement("UPDATE config_head SET canary = ? WHERE id = 1 AND canary = ''", (canary,))


def advance(head: Head, *, number: int, cuts: int) -> Statement:
    """Lock and advance the head. Raises Conflict when it differs from the one the work was validated against."""
    return Statement(
        "UPDATE config_head SET number = ?, cuts = ? WHERE id = 1 AND number = ? AND cuts = ?",
        (number, cuts, head.number, head.cuts),
        guard=Guard(lambda: Conflict("the configuration was changed by somebody else")),
    )


def insert_document(kind: str, key: str, *, schema: int, body: str, revision: int) -> Statement:
    """Add a document. Raises Duplicate."""
    return Statement(
        "INSERT INTO document (kind, id, schema, body, revision) VALUES (?, ?, ?, ?, ?)",
        (kind, key, schema, body, revision),
    )


def update_document(kind: str, key: str, *, schema: int, body: str, revision: int) -> Statement:
    """Replace a document. Raises Conflict when it no longer exists."""
    return Statement(
        "UPDATE document SET schema = ?, body = ?, revision = ? WHERE kind = ? AND id = ?",
        (schema, body, revision, kind, key),
        guard=_must_exist(kind, key),
    )


def delete_document(kind: str, key: str) -> Statement:
    """Delete a document. Raises Conflict when it no longer exists."""
    return Statement("DELETE FROM document WHERE kind = ? AND id = ?", (kind, key), guard=_must_exist(kind, key))


def delete_edges(kind: str, key: str) -> Statement:
    """Remove all edges that start at an object."""
    return Statement("DELETE FROM edge WHERE source_kind = ? AND source_id = ?", (kind, key))


def insert_edge(kind: str, key: str, edge: Edge) -> Statement:
    """Add an edge."""
    return Statement(
        "INSERT INTO edge (source_kind, source_id, field, position, target_kind, target_id) VALUES (?, ?, ?, ?, ?, ?)",
        (kind, key, edge.field, edge.position, edge.target_kind, edge.target_id),
    )


def unreferenced(kind: str, pk: str | int) -> Statement:
    """Require that no document refers to the object. Raises Conflict otherwise."""
    message = f"{kind} {pk} is still referred to"
    return Statement(
        "UPDATE edge SET position = position WHERE target_kind = ? AND target_id = ?",
        (kind, str(pk)),
        guard=Guard(lambda: Conflict(message), rows=0),
    )


def release(kind: str, pk: str | int) -> tuple[Statement, ...]:
    """Return the statements that must precede the deletion of a directory row outside the workspace.

    Locks the head, so that no document can begin to refer to the row meanwhile. Raises Conflict when one does.
    """
    return (Statement("UPDATE config_head SET cuts = cuts + 1 WHERE id = 1"), unreferenced(kind, pk))


def insert_revision(number: int, *, created: int, author: str, message: str, diff: str) -> Statement:
    """Record who changed what, when and why."""
    return Statement(
        "INSERT INTO revision (number, created, author, message, diff) VALUES (?, ?, ?, ?, ?)",
        (number, created, author, message, diff),
    )


def _must_exist(kind: str, key: str) -> Guard:
    return Guard(lambda: Conflict(f"{kind} {key} was deleted by somebody else"))
