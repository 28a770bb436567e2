"""The secret key that is made on a first start."""

from __future__ import annotations

import dataclasses
import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from ostiary.seal import Secret
from ostiary.settings import InvalidSetting, MissingSetting, load
from ostiary.settings.secret_key import FILE_NAME, with_secret_key


def test_it_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path / "data")}, default_file=None)
    made = with_secret_key(settings)
    assert made.secret_key is not None
    assert len(made.secret_key.reveal()) >= 43
    assert stat.S_IMODE((tmp_path / "data" / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert with_secret_key(settings).secret_key == made.secret_key
    assert [path.name for path in (tmp_path / "data").iterdir()] == [FILE_NAME]


def test_a_key_that_was_set_is_not_written_down(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path / "data"), "AUTHENTIK_SECRET_KEY": "k"}, default_file=None)
    assert with_secret_key(settings).secret_key == Secret("k")
    assert not (tmp_path / "data").exists()


def test_two_first_starts_agree(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None)
    found: list[Secret | None] = []
    threads = [threading.Thread(target=lambda: found.append(with_secret_key(settings).secret_key)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_an_empty_key_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("\n")
    with pytest.raises(InvalidSetting, match="is empty"):
        with_secret_key(load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None))


def test_a_data_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSetting, match="OSTIARY_DATA_DIR: expected a folder"):
        with_secret_key(load({"OSTIARY_DATA_DIR": str(tmp_path / "file" / "data")}, default_file=None))


@pytest.mark.parametrize("sealed", [None, "the database ostiary"])
def test_postgresql_gets_no_key_of_its_own(tmp_path: Path, sealed: str | None) -> None:
    """Other processes share the database, and would not share the file. A start without it is told what to set."""
    environ = {"OSTIARY_DATA_DIR": str(tmp_path / "data"), "OSTIARY_POSTGRESQL__HOST": "db", "OSTIARY_SECRET_KEY": "k"}
    settings = dataclasses.replace(load(environ, default_file=None), secret_key=None)
    expected = "make one with: openssl" if sealed is None else f"the key under which {sealed} was written"
    with pytest.raises(MissingSetting, match=f"OSTIARY_SECRET_KEY: expected .*{expected}"):
        with_secret_key(settings, sealed=sealed)
    assert not (tmp_path / "data").exists()


def test_a39_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    settings = load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None)
    with pytest.raises(MissingSetting, match=r"expected the secret key of this database in .*/secret-key"):
        with_secret_key(settings, sealed="this database")
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSetting, match=r"expected a readable secret key in .*secret-key, but"):
        with_secret_key(load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None))


def test_a_disk_without_room_leaves_no_half_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidSetting, match="secret-key cannot be made: No space left on device"):
        with_secret_key(load({"OSTIARY_DATA_DIR": str(tmp_path)}, default_file=None))
    assert list(tmp_path.iterdir()) == []
