"""The commands for backups of the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ostiary.settings import load


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.", show_default=False)],
) -> None:
    """Back up the SQLite database to a file, while Ostiary runs. The secret key is not in it."""
    from ostiary.app.operator.backup import back_up, secret_key_location  # noqa: PLC0415 - a command loads what it needs

    settings = load(os.environ)
    size = back_up(settings, file)
    typer.echo(f"{file}: {size} bytes, checked")
    typer.echo(f"A restore also needs the secret key, which is not in it: keep {secret_key_location(settings)} apart.")


def restore(file: Annotated[Path, typer.Argument(help="A file written by backup.", show_default=False)]) -> None:
    """Restore the SQLite database from a backup; the old file is kept under another name. Stop Ostiary first."""
    from ostiary.app.core import clock  # noqa: PLC0415
    from ostiary.app.operator.backup import restore_copy  # noqa: PLC0415 - as above

    settings = load(os.environ)
    aside = restore_copy(settings, file, now=clock())
    typer.echo(f"{settings.database_file} is what {file} holds{f'; before, it was {aside}' if aside else ''}")
