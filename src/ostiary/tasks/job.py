"""The statements that enqueue tasks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence

from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Statement, Value


def enqueue(name: str, args: Mapping[str, object], *, key: str | None = None, now: int, after: int = 0) -> Statement:
    """Return the statement that enqueues a task, for the caller's own transaction.

    `args` is plain JSON data without secrets. `key` is an idempotency key: no second task with it is added until a day
    after the first is done (for a dead letter, a month). `after` is a delay in microseconds.
    """
    return Statement(
        "INSERT INTO task (id, name, args, key, state, created, due, owner, attempts, error, finished) "
        "VALUES (?, ?, ?, ?, 'queued', ?, ?, NULL, 0, NULL, NULL) ON CONFLICT (key) DO NOTHING",
        (uuid.uuid4().hex, name, encode_canonical(args), key, now, now + after),
    )


def enqueue_each(name: str, query: str, parameters: Sequence[Value], *, now: int) -> Statement:
    """Return the statement that enqueues a task for each row of a query for `id` and `args`.

    `id` is a unique text, `args` a JSON text without secrets. The database determines how many tasks there are.
    """
    return Statement(
        "INSERT INTO task (id, name, args, state, created, due, attempts) "
        "SELECT q.id, CAST(? AS TEXT), q.args, 'queued', CAST(? AS BIGINT), CAST(? AS BIGINT), 0 "
        f"FROM ({query}) AS q WHERE true ON CONFLICT (id) DO NOTHING",
        (name, now, now, *parameters),
    )
