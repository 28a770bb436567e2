"""The statements that enqueue the tasks of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Statement, Value


def enqueue(name: str, args: Mapping[str, object], *, key: str | None = None, now: int, after: int = 0) -> Statement:
    """Return the statement that enqueues a task, for the caller's own transaction.

    `args` is plain JSON data without secrets. `key` makes it idempotent: while a task with this key exists, until a day
    after it was done (a month for a dead letter), no other is added. `after` is a delay in microseconds.
    """
    return Statement(
        "INSERT INTO task (id, name, args, key, state, created, due, owner, attempts, error, finished) "
        "VALUES (?, ?, ?, ?, 'queued', ?, ?, NULL, 0, NULL, NULL) ON CONFLICT (key) DO NOTHING",
        (uuid.uuid4().hex, name, encode_canonical(args), key, now, now + after),
    )


def enqueue_each(name: str, query: str, parameters: Sequence[Value], *, now: int) -> Statement:
    """Return the statement that enqueues a task for each row of a query of `id` and `args`.

    `id` is a unique text, `args` a JSON text without secrets. It is for tasks whose number only the database knows.
    """
    return Statement(
        "INSERT INTO task (id, name, args, state, created, due, attempts) "
        "SELECT q.id, CAST(? AS TEXT), q.args, 'queued', CAST(? AS BIGINT), CAST(? AS BIGINT), 0 "
        f"FROM ({query}) AS q WHERE true ON CONFLICT (id) DO NOTHING",
        (name, now, now, *parameters),
    )
