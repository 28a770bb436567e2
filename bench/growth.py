"""What a request costs as an installation grows: applications, tokens and people, one at a time, on SQLite."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import ostiary_target
from operations import Load, Sample, measure

OPERATIONS: Final = ("opaque", "refresh", "userinfo", "introspect", "discovery", "authorize", "login")
_LONG: Final = 400 * 86_400_000_000  # microseconds: none of the rows expires meanwhile


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is beside what is measured."""

    dimension: str
    count: int

    def __str__(self) -> str:
        return f"{self.count:,} {self.dimension}"


SIZES: Final = (
    Size("applications", 1),
    Size("applications", 100),
    Size("applications", 1_000),
    Size("tokens", 1_000),
    Size("tokens", 10_000),
    Size("tokens", 100_000),
    Size("tokens", 1_000_000),
    Size("users", 10),
    Size("users", 1_000),
    Size("users", 100_000),
)
QUICK: Final = (Size("applications", 1), Size("applications", 100), Size("tokens", 100_000), Size("users", 10_000))


def measure_growth(
    folder: Path, load: Load, *, sizes: Sequence[Size], seconds: float, rounds: int
) -> dict[Size, Mapping[str, list[Sample]]]:
    """Return the samples of each operation at each size."""
    base = folder / "base"
    ostiary_target.install(base, ostiary_target.environment(base, None))
    return {size: _at(folder, base, load, size=size, seconds=seconds, rounds=rounds) for size in sizes}


def _at(folder: Path, base: Path, load: Load, *, size: Size, seconds: float, rounds: int) -> Mapping[str, list[Sample]]:
    here = folder / f"{size.dimension}-{size.count}"
    shutil.copytree(base, here)
    environ = ostiary_target.environment(here, None)
    if size.dimension == "applications":
        more = "".join(ostiary_target.client(f"app-{number:04}") for number in range(size.count - 1))
        ostiary_target.install(here, environ, more=more)
    else:
        fill(here / "data" / "ostiary.db", size)
    started = ostiary_target.serve(here, environ)
    try:
        target = ostiary_target.target(str(size), started)
        target.sign_in()
        samples: dict[str, list[Sample]] = {name: [] for name in OPERATIONS}
        for _ in range(rounds):
            for name in OPERATIONS:
                samples[name].append(measure(name, target, load, seconds=seconds))
    finally:
        started.stop()
        shutil.rmtree(here, ignore_errors=True)
    return samples


def fill(file: Path, size: Size) -> None:
    """Put rows into the database of a server that does not run."""
    database = sqlite3.connect(file)
    database.execute("PRAGMA synchronous = OFF")
    now = time.time_ns() // 1_000
    if size.dimension == "tokens":
        _insert(database, "access_token", _tokens(size.count, now))
        _insert(database, "grant_family", _families(size.count // 4, now))
        _insert(database, "refresh_token", _refresh_tokens(size.count // 4, now))
    else:
        _insert(database, "directory_user", _users(size.count, now))
        group = database.execute("SELECT pk FROM directory_group WHERE name = 'bench-people'").fetchone()[0]
        members = ({"user_pk": 1_000_000 + number, "group_pk": group} for number in range(size.count))
        _insert(database, "directory_user_group", members)
    database.commit()
    database.close()


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Insert rows; columns that are not named and may not be NULL get "" or 0."""
    columns = [
        (row[1], "" if row[2].upper() == "TEXT" else 0)
        for row in database.execute(f"PRAGMA table_info({table})")
        if row[3] or row[5]
    ]
    iterator = iter(rows)
    first = next(iterator, None)
    if first is None:
        return
    names = [*first, *(name for name, _ in columns if name not in first)]
    rest = tuple(value for name, value in columns if name not in first)
    text = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"

    def values() -> Iterator[tuple[object, ...]]:
        yield (*first.values(), *rest)
        for row in iterator:
            yield (*row.values(), *rest)

    database.executemany(text, values())


def _tokens(count: int, now: int) -> Iterator[Mapping[str, object]]:
    for number in range(count):
        yield {
            "hash": os.urandom(32),
            "family": f"{number // 4:032x}",
            "provider": 900_000,
            "user_pk": 900_000 + number % 1_000,
            "session": os.urandom(32) if number % 4 else None,
            "scope": "openid email profile",
            "issued": now,
            "expires": now + _LONG + number,
        }


def _families(count: int, now: int) -> Iterator[Mapping[str, object]]:
    for number in range(count):
        yield {
            "id": f"{number:032x}",
            "provider": 900_000,
            "user_pk": 900_000 + number % 1_000,
            "session": os.urandom(32),
            "offline": 1,
            "body": "{}",
            "issued": now,
            "expires": now + _LONG + number,
        }


def _refresh_tokens(count: int, now: int) -> Iterator[Mapping[str, object]]:
    for number in range(count):
        yield {
            "hash": os.urandom(32),
            "family": f"{number:032x}",
            "parent": None,
            "user_pk": 900_000 + number % 1_000,
            "session": None,
            "issued": now,
            "expires": now + _LONG + number,
            "rotated": None,
        }


def _users(count: int, now: int) -> Iterator[Mapping[str, object]]:
    for number in range(count):
        yield {
            "pk": 1_000_000 + number,
            "uuid": f"00000000-0000-4000-8000-{number:012}",
            "username": f"bulk{number}",
            "username_key": f"bulk{number}",
            "name": "Somebody",
            "email": f"bulk{number}@example.org",
            "email_key": f"bulk{number}@example.org",
            "is_active": 1,
            "kind": "internal",
            "path": "users",
            "attributes": "{}",
            "password": "!",
            "date_joined": now,
            "password_change_date": now,
            "last_updated": now,
        }
