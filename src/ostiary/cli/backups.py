"""The commands about copies of the database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ostiary.settings import load


def backup(file: Annotated[Path, typer.Argument(help="The copy; it must not exist yet.", show_default=False)]) -> None:
    """Copy the SQLite database to a file, while Ostiary runs. The secret key is not in it."""
    from ostiary.app.operator.backup import back_up, where_the_key_is  # noqa: PLC0415 - a command loads what it needs

    found = load(os.environ)
    size = back_up(found, file)
    typer.echo(f"{file}: {size} bytes, checked")
    typer.echo(f"It is of use only with the secret key, which is not in it: keep {where_the_key_is(found)} apart.")


def restore(file: Annotated[Path, typer.Argument(help="A copy made by backup.", show_default=False)]) -> None:
    """Put a copy in the place of the SQLite database, which is kept under another name. Stop Ostiary first."""
    from ostiary.app.core import clock  # noqa: PLC0415
    from ostiary.app.operator.backup import put_back  # noqa: PLC0415 - as above

    found = load(os.environ)
    aside = put_back(found, file, now=clock())
    typer.echo(f"{found.database_file} is what {file} holds{f'; before, it was {aside}' if aside else ''}")
