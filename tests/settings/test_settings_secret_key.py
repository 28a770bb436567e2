"""The secret key that is made on a first start."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from ostiary.seal import Secret
from ostiary.settings import InvalidSetting, load
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
