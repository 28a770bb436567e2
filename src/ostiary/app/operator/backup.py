"""Copies of the database for the operator: SQLite's are made and restored here, PostgreSQL's by its own programs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.app.location import missing_installation
from ostiary.seal.envelope import Sealer
from ostiary.settings import InvalidSetting, Settings, SettingsError
from ostiary.settings.secret_key import FILE_NAME, with_secret_key

if TYPE_CHECKING:
    from ostiary.seal import Secret


def back_up(settings: Settings, copy: Path) -> int:
    """Copy the SQLite database, in use or not, to a file that must not exist; return its size in bytes.

    Raises SettingsError (PostgreSQL is used), StoreError, OSError.
    """
    from ostiary.store.sqlite import backup  # noqa: PLC0415 - each installation loads one back end

    _only_sqlite(settings, "pg_dump --format=custom --schema=ostiary --file=FILE")
    if not settings.database_file.exists():
        raise InvalidSetting(missing_installation(settings))
    return backup.back_up_file(settings.database_file, copy)


def restore_copy(settings: Settings, copy: Path, *, now: int) -> Path | None:
    """Replace the SQLite database by a copy, and return where the old one was moved, if there was one.

    Nothing must use the database. Raises SettingsError (PostgreSQL is used, or no secret key), StoreError (NewerSchema
    when a newer version wrote the copy), SealError (the secret key is not the copy's), OSError.
    """
    from ostiary.app.rooms import MIGRATIONS  # noqa: PLC0415 - a backup alone needs no room
    from ostiary.store.sqlite import backup  # noqa: PLC0415 - as above

    _only_sqlite(settings, "pg_restore --clean --if-exists --single-transaction FILE")
    key = _existing_key(settings)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now // 1_000_000))
    aside = settings.database_file.with_name(f"{settings.database_file.stem}-before-{stamp}.{now % 1_000_000:06}.db")

    def verify_key(canary: str) -> None:
        if canary:  # else the copy was made before the first start
            Sealer(key).verify_canary(canary)

    known_steps = {step.number for step in MIGRATIONS}
    replaced = backup.restore_file(
        copy, settings.database_file, verify_key=verify_key, known_steps=known_steps, aside=aside
    )
    return aside if replaced else None


def secret_key_location(settings: Settings) -> str:
    """Return the location of the secret key of this installation, as text."""
    is_set = settings.secret_key is not None
    return "the setting OSTIARY_SECRET_KEY" if is_set else f"the file {settings.data_dir / FILE_NAME}"


def _existing_key(settings: Settings) -> Secret:
    """Return the key from the settings or the data folder. A new one could not open the copy."""
    path = settings.data_dir / FILE_NAME
    if settings.secret_key is None and not path.exists():
        raise SettingsError(f"put the secret key of the backup into {path} (mode 0600) first: without it nothing opens")
    key = with_secret_key(settings).secret_key
    assert key is not None  # noqa: S101 - with_secret_key just saw to it
    return key


def _only_sqlite(settings: Settings, program: str) -> None:
    if settings.postgresql is not None:
        at = settings.postgresql
        connection = f"--host={at.host} --port={at.port} --username={at.user} --dbname={at.name}"
        head, _, rest = program.partition(" ")
        raise SettingsError(f"PostgreSQL is used, and its own program does this: {head} {connection} {rest}")
