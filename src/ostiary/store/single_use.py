"""Single-use values: codes, links, invitations, challenges.

A value is stored by its hash, in the namespace of its purpose. Consuming is one statement, so that of any number of
attempts exactly one is `Fresh`. Purposes that must notice a replay leave a tombstone until the value expires.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Generic, TypeVar, cast

from ostiary.record import dataclass
from ostiary.resource.codec import decode, encode_canonical
from ostiary.store.database import Batch, Guard, Row, Statement
from ostiary.store.sweeping import expired

T = TypeVar("T")


def _identity(body: Mapping[str, object]) -> Any:
    return body


@dataclass(frozen=True, slots=True)
class Purpose(Generic[T]):
    """The purpose of a value: its namespace, and the loader of its body."""

    namespace: str
    load: Callable[[Mapping[str, object]], T] = _identity


@dataclass(frozen=True, slots=True)
class Fresh(Generic[T]):
    """The value was valid, and is now consumed."""

    body: T
    family: str | None


@dataclass(frozen=True, slots=True)
class Replayed(Generic[T]):
    """The value was consumed before: its family is to be revoked."""

    family: str | None
    body: T | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """The value does not exist, or has expired."""


Consumed = Fresh[T] | Replayed[T] | Unknown


def issue(
    purpose: Purpose[T], value_hash: bytes, body: Mapping[str, object], *, expires: int, family: str | None = None
) -> Statement:
    """Return the statement that stores a value. `expires` is in microseconds UTC; `body` is plain JSON data."""
    return Statement(
        "INSERT INTO single_use (namespace, hash, body, expires, family, consumed) VALUES (?, ?, ?, ?, ?, NULL)",
        (purpose.namespace, value_hash, encode_canonical(body), expires, family),
    )


def first(purpose: Purpose[T], value_hash: bytes, *, expires: int, error: Callable[[], Exception]) -> Statement:
    """Return the statement that records an external value, and fails with `error` when it was recorded before.

    It is for the `jti` of signed tokens, which may be used once until they expire.
    """
    # guard: A14 an assertion is accepted once
    return Statement(
        "INSERT INTO single_use (namespace, hash, body, expires, family, consumed) VALUES (?, ?, '{}', ?, NULL, ?) "
        "ON CONFLICT (namespace, hash) DO NOTHING",
        (purpose.namespace, value_hash, expires, expires),
        Guard(error),
    )


def consume(purpose: Purpose[T], value_hash: bytes, *, now: int, tombstone: bool) -> Batch[Consumed[T]]:
    """Consume the value. With `tombstone` a second use returns Replayed until the expiry, else Unknown."""
    if not tombstone:
        rows = yield Statement(
            "DELETE FROM single_use WHERE namespace = ? AND hash = ? AND expires > ? AND consumed IS NULL "
            "RETURNING body, family",
            (purpose.namespace, value_hash, now),
        )
        return _load(purpose, rows[0]) if rows else Unknown()
    # guard: A09 a code is used once
    # guard: A09 an expired code is refused
    # guard: A20 a single-use value belongs to its namespace
    rows = yield Statement(
        "UPDATE single_use SET consumed = ? WHERE namespace = ? AND hash = ? AND expires > ? AND consumed IS NULL "
        "RETURNING body, family",
        (now, purpose.namespace, value_hash, now),
    )
    if rows:
        return _load(purpose, rows[0])
    rows = yield Statement(
        "SELECT body, family FROM single_use WHERE namespace = ? AND hash = ? AND expires > ? AND consumed IS NOT NULL",
        (purpose.namespace, value_hash, now),
    )
    if not rows:
        return Unknown()
    earlier = _load(purpose, rows[0])
    return Replayed(earlier.family, earlier.body)


def restore(purpose: Purpose[T], value_hash: bytes) -> Statement:
    """Return the statement that restores a value which the same batch has just consumed."""
    return Statement(
        "UPDATE single_use SET consumed = NULL WHERE namespace = ? AND hash = ?", (purpose.namespace, value_hash)
    )


def peek(purpose: Purpose[T], value_hash: bytes, *, now: int) -> Batch[T | None]:
    """Return the body of a valid value without consuming it."""
    rows = yield Statement(
        "SELECT body, family FROM single_use WHERE namespace = ? AND hash = ? AND expires > ? AND consumed IS NULL",
        (purpose.namespace, value_hash, now),
    )
    return _load(purpose, rows[0]).body if rows else None


def prolong(purpose: Purpose[T], value_hash: bytes, *, expires: int) -> Statement:
    """Return the statement that extends an unused value to at least `expires`."""
    return Statement(
        "UPDATE single_use SET expires = ? WHERE namespace = ? AND hash = ? AND consumed IS NULL AND expires < ?",
        (expires, purpose.namespace, value_hash, expires),
    )


def withdraw(purpose: Purpose[T], *, family: str) -> Statement:
    """Return the statement that deletes every value of a family, used or not."""
    return Statement("DELETE FROM single_use WHERE namespace = ? AND family = ?", (purpose.namespace, family))


def sweep(now: int) -> Statement:
    """Return the statement that deletes expired values, tombstones included."""
    return expired("single_use", "namespace, hash", now)


def _load(purpose: Purpose[T], row: Row) -> Fresh[T]:
    body = cast("Mapping[str, object]", decode(row["body"]))
    return Fresh(purpose.load(body), row["family"])
