"""What a job is, and how work for it is put into the queue."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from ostiary.record import dataclass
from ostiary.resource.codec import encode_canonical
from ostiary.store.database import Statement, Value

MINUTE: Final = 60_000_000


class Handler(Protocol):
    """Does the work of one task. Whatever it raises is retried later; a second run must do no harm."""

    def __call__(self, args: Mapping[str, object], *, now: int) -> Awaitable[None]:
        """Do the work. `now` is the time of the start in microseconds UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A kind of work. `schedule` is the time between two runs in microseconds, None: only when somebody asks.

    `limit` is the longest a run may take in microseconds; `attempts` is how often it is tried before it is given up.
    `given_up` gets the arguments, the error and the time then, and answers what is written with the dead letter.
    """

    name: str
    handler: Handler
    schedule: int | None = None
    limit: int = 10 * MINUTE
    attempts: int = 8
    given_up: Callable[[Mapping[str, object], str, int], Iterable[Statement]] | None = None


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
