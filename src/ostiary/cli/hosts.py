"""The commands for our own host names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ostiary.cli.accounts import AUTHOR, with_core
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core

hosts = typer.Typer(help="Manage our host names: requests for others are refused.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="The address, such as id.example.org or https://id.example.org:8443.", show_default=False)
]


@hosts.command("add")
def add(host: Name) -> None:
    """Add an address. Running processes answer requests for it within a second."""
    address = _read(host)

    async def work(core: Core, now: int) -> None:
        from ostiary.brands.hosts import pin  # noqa: PLC0415 - wrong usage is reported before anything is loaded

        new = await pin(core.editor, [address], author=AUTHOR, now=now)
        await core.setup.close_hosts()
        typer.echo(f"{address} is {'' if new else 'already '}one of our addresses")

    with_core(work)


@hosts.command("remove")
def remove(host: Name) -> None:
    """Remove an address that `add` or the first-run wizard pinned."""
    address = _read(host)

    async def work(core: Core, now: int) -> None:
        from ostiary.brands.hosts import unpin  # noqa: PLC0415 - as above

        if not await unpin(core.editor, address, author=AUTHOR, now=now):
            raise SettingsError(
                f"{address} is not pinned; `ostiary host list` shows what is, and what else names hosts"
            )
        typer.echo(f"{address} is no longer pinned")

    with_core(work)


@hosts.command("list")
def show() -> None:
    """List the addresses that are answered, and where each is set."""
    from ostiary.cli.tables import print_table  # noqa: PLC0415 - as above

    async def work(core: Core, _now: int) -> None:
        print_table(("address", "named by"), core.hosts.sources())
        if core.hosts.accepts_any():
            typer.echo("note: until one is named, requests for any other address are answered too")

    with_core(work)


def _read(text: str) -> str:
    from ostiary.proto.authority import read_address  # noqa: PLC0415 - as above

    try:
        return read_address(text)
    except ValueError as error:
        raise SettingsError(f"{text}: {error}") from error
