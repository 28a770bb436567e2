"""The secret key of an installation with SQLite: generated on the first start, and stored in a file of mode 0600."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Final

from ostiary.seal import Secret
from ostiary.settings.errors import InvalidSetting, MissingSetting
from ostiary.settings.model import Settings

FILE_NAME: Final = "secret-key"


def with_secret_key(settings: Settings, *, sealed: str | None = None) -> Settings:
    """Return the settings with a secret key: the configured one, that of the file, or a new one. Raises SettingsError.

    `sealed` names a database that has been written under a secret key. No new key is generated then, because it could
    not decrypt that database.
    """
    if settings.secret_key is not None:
        return settings
    if settings.postgresql is not None:
        expected = "expected a long random text; make one with: openssl rand -base64 48"
        if sealed is not None:
            expected = f"expected the key under which {sealed} was written, a new one would open nothing in it"
        raise MissingSetting(f"OSTIARY_SECRET_KEY: {expected}")
    path = settings.data_dir / FILE_NAME
    if not path.exists():
        # guard: A39 a lost secret key is not replaced
        if sealed is not None:
            raise MissingSetting(
                f"OSTIARY_DATA_DIR: expected the secret key of {sealed} in {path} (mode 0600), and it is not there. A "
                "new one would open nothing: put back the one that was kept apart, or set OSTIARY_SECRET_KEY to it"
            )
        make_data_dir(settings.data_dir)
        with contextlib.suppress(FileExistsError):
            _write_new(path, secrets.token_urlsafe(48))
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"OSTIARY_DATA_DIR: expected a readable secret key in {path}, but {error}") from error
    if not text:
        raise InvalidSetting(f"OSTIARY_DATA_DIR: expected a secret key in {path}, but the file is empty")
    return replace(settings, secret_key=Secret(text))


def make_data_dir(path: Path) -> None:
    """Create the data folder, readable by its owner only, unless it exists. Raises InvalidSetting."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"OSTIARY_DATA_DIR: expected a folder that can be written, but {path}: {error}") from error


def _write_new(path: Path, text: str) -> None:
    """Write a new file atomically, with mode 0600 from its first byte."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike rename, a link never replaces the file of another process
    except FileExistsError:
        raise
    except OSError as error:
        raise InvalidSetting(
            f"OSTIARY_DATA_DIR: the secret key {path} cannot be made: {error.strerror or error}"
        ) from error
    finally:
        draft.unlink(missing_ok=True)
