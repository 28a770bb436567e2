"""How work for a job is put into the queue."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Statement, Value


def enqueue(name: str, args: Mapping[str, object], *, key: str | None = None, now: int, after: int = 0) -> Statement:
    """Return the statement that puts a task into the queue, for the caller's own transaction.

    `args` is plain JSON data without secrets. `key` makes it idempotent: while a task with this key is known, which
    is until a day after it was done (a month for a dead letter), another one is not added. `after` is a delay in
    microseconds.
    """
    return Statement(
        "INSERT INTO task (id, name, args, key, state, created, due, owner, attempts, error, finished) "
        "VALUES (?, ?, ?, ?, 'queued', ?, ?, NULL, 0, NULL, NULL) ON CONFLICT (key) DO NOTHING",
        (uuid.uuid4().hex, name, encode_canonical(args), key, now, now + after),
    )


def enqueue_each(name: str, query: str, parameters: Sequence[Value], *, now: int) -> Statement:
    """Return the statement that puts a task into the queue for each row of a query of `id` and `args`.

    `id` is a text nobody else uses, `args` a JSON text without secrets: for work whose number only the database knows.
    """
    return Statement(
        "INSERT INTO task (id, name, args, state, created, due, attempts) "
        "SELECT q.id, CAST(? AS TEXT), q.args, 'queued', CAST(? AS BIGINT), CAST(? AS BIGINT), 0 "
        f"FROM ({query}) AS q WHERE true ON CONFLICT (id) DO NOTHING",
        (name, now, now, *parameters),
    )
