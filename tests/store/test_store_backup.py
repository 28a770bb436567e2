"""What a copy of a database is refused for."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ostiary.store.database import Unavailable
from ostiary.store.sqlite.backup import BadBackup, _leave_wal, verify_copy

TABLES = """
CREATE TABLE schema_step (number INTEGER PRIMARY KEY, room TEXT, title TEXT);
CREATE TABLE config_head (id INTEGER PRIMARY KEY, number INTEGER, cuts INTEGER, canary TEXT);
CREATE TABLE parent (pk INTEGER PRIMARY KEY);
CREATE TABLE child (pk INTEGER REFERENCES parent (pk), size INTEGER);
"""


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(TABLES)
        for statement in ("INSERT INTO config_head VALUES (1, 1, 0, 'canary')", *statements):
            connection.execute(statement)
    return path


def test_a_sound_copy_names_its_key(tmp_path: Path) -> None:
    assert verify_copy(database(tmp_path / "x.db")) == "canary"


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (
            (
                "INSERT INTO child VALUES (NULL, NULL)",
                "PRAGMA writable_schema = ON",
                "UPDATE sqlite_master SET sql = 'CREATE TABLE child (pk INTEGER, size INTEGER NOT NULL)' WHERE name = 'child'",
            ),
            "damaged: NULL value in child.size",
        ),
        (("INSERT INTO child VALUES (7, 1)",), "1 rows"),
        (("DELETE FROM config_head",), "it holds no configuration"),
        (("DROP TABLE schema_step",), "no sound database of Ostiary"),
    ],
)
def test_a_damaged_copy_is_told(tmp_path: Path, statements: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadBackup, match=message):
        verify_copy(database(tmp_path / "x.db", *statements))


def test_a_database_with_a_log_beside_it_is_in_use(tmp_path: Path) -> None:
    file = database(tmp_path / "x.db")
    _leave_wal(file)
    (tmp_path / "x.db-shm").touch()
    with pytest.raises(Unavailable, match="stop Ostiary first"):
        _leave_wal(file)
