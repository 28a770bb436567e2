"""Copies of the database: made while it is in use, put back when it is not, and never in place of something better."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ostiary.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, with settings of its own; return exit code, output and errors."""
    for name in list(os.environ):
        if name.startswith(("OSTIARY_", "AUTHENTIK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OSTIARY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(words)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    assert call("migrate")[0] == 0
    return call


def people(run: Run) -> list[str]:
    return [line.split("\t")[1] for line in run("user", "list")[1].splitlines()]


@contextmanager
def in_use(database: Path) -> Iterator[sqlite3.Connection]:
    """Somebody in the middle of a write, as a server may be."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM directory_user")
        yield connection
        connection.execute("ROLLBACK")


def test_a_copy_is_made_while_somebody_writes_and_put_back(run: Run, tmp_path: Path) -> None:
    database, copy = tmp_path / "data/ostiary.db", tmp_path / "copy.db"
    run("user", "create", "ada")
    with in_use(database):
        code, out, _ = run("backup", "copy.db")
    assert code == 0
    assert re.match(r"copy\.db: \d{5,} bytes, checked\n", out)
    assert "keep the file" in out
    assert "secret-key" in out
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "data"]

    run("user", "create", "eve")
    code, out, _ = run("restore", "copy.db")
    assert code == 0
    (aside,) = (tmp_path / "data").glob("ostiary-before-*.db")
    assert str(aside) in out
    assert people(run) == ["ada"]
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert copy.exists()
    assert run("restore", str(aside))[0] == 0
    assert people(run) == ["ada", "eve"]


def test_a_copy_is_put_into_an_empty_folder_with_its_key(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ada")
    run("backup", "copy.db")
    (tmp_path / "data").rename(tmp_path / "lost")
    (tmp_path / "data").mkdir()
    code, _, err = run("restore", "copy.db")
    assert code == 1
    assert "put the secret key" in err
    assert list((tmp_path / "data").iterdir()) == []
    (tmp_path / "lost/secret-key").rename(tmp_path / "data/secret-key")
    assert run("restore", "copy.db")[0] == 0
    assert people(run) == ["ada"]


def test_what_is_there_is_never_overwritten(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ada")
    (tmp_path / "copy.db").write_text("mine")
    (tmp_path / "loose.db").symlink_to("nowhere")
    for name in ("copy.db", "loose.db"):
        code, out, err = run("backup", name)
        assert (code, out) == (1, "")
        assert "never overwritten" in err
    assert (tmp_path / "copy.db").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_without_a_database_there_is_nothing_to_copy(run: Run, tmp_path: Path) -> None:
    (tmp_path / "data/ostiary.db").unlink()
    code, _, err = run("backup", "copy.db")
    assert code == 1
    assert "OSTIARY_DATA_DIR: there is no installation in" in err
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_of_a_newer_version_is_not_put_back(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ada")
    run("backup", "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.execute("INSERT INTO schema_step (number, room, title, applied) VALUES (9999, 'later', 'what comes', 1)")
        copy.commit()
    code, _, err = run("restore", "copy.db")
    assert code == 1
    assert "written by a newer version of Ostiary: it holds schema step 9999 (later: what comes)" in err
    assert people(run) == ["ada"]
    assert not list((tmp_path / "data").glob("ostiary-before-*"))


def test_a_database_in_use_is_not_replaced(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ada")
    run("backup", "copy.db")
    run("user", "create", "eve")
    with in_use(tmp_path / "data/ostiary.db"):
        code, _, err = run("restore", "copy.db")
    assert code == 1
    assert "is in use: stop Ostiary first" in err
    with closing(sqlite3.connect(tmp_path / "data/ostiary.db")) as idle:
        idle.execute("SELECT count(*) FROM directory_user").fetchone()
        assert "is in use" in run("restore", "copy.db")[2]
    assert people(run) == ["ada", "eve"]


def test_a_damaged_or_foreign_file_changes_nothing(run: Run, tmp_path: Path) -> None:
    run("user", "create", "ada")
    run("backup", "copy.db")
    whole = (tmp_path / "copy.db").read_bytes()
    half = len(whole) // 2
    (tmp_path / "bent.db").write_bytes(whole[:half] + bytes(40_000) + whole[half + 40_000 :])
    (tmp_path / "text.db").write_text("no database\n" * 100)
    with closing(sqlite3.connect(tmp_path / "other.db")) as made:
        made.execute("CREATE TABLE cats (name TEXT)")
    before = (tmp_path / "data/ostiary.db").read_bytes()
    for name in ("bent.db", "text.db", "other.db", "none.db"):
        code, out, err = run("restore", name)
        assert (code, out) == (1, "")
        assert err.startswith("ostiary: ")
        assert "unexpected" not in err
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["ostiary.db", "secret-key"]
    assert (tmp_path / "data/ostiary.db").read_bytes() == before


def test_a_copy_of_another_secret_key_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("user", "create", "ada")
    run("backup", "copy.db")
    monkeypatch.setenv("OSTIARY_SECRET_KEY", "another one")
    code, _, err = run("restore", "copy.db")
    assert code == 1
    assert "written under another secret key" in err
    assert "the setting OSTIARY_SECRET_KEY" in run("backup", "again.db")[1]


def test_postgresql_is_left_to_its_own_programs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_SECRET_KEY", "k")
    monkeypatch.setenv("OSTIARY_POSTGRESQL__HOST", "db.example.org")
    monkeypatch.setenv("OSTIARY_POSTGRESQL__PASSWORD", "hush-hush")
    for command, program in (("backup", "pg_dump"), ("restore", "pg_restore")):
        code, _, err = run(command, "copy.db")
        assert code == 1
        assert f"{program} --host=db.example.org --port=5432 --username=authentik --dbname=authentik" in err
        assert "hush" not in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_puts_back_belongs_to_whom_it_belonged(run: Run, tmp_path: Path) -> None:
    database = tmp_path / "data/ostiary.db"
    run("user", "create", "ada")
    run("backup", "copy.db")
    os.chown(database, 1234, 1235)
    assert run("restore", "copy.db")[0] == 0
    assert (database.stat().st_uid, database.stat().st_gid) == (1234, 1235)
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
