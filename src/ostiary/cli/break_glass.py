"""The commands for break-glass codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ostiary.cli.accounts import with_core
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.directory.user import Subject

break_glass = typer.Typer(help="Printed codes for when nobody can sign in.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The username.", show_default=False)]


@break_glass.command("create")
def create(
    username: Username,
    *,
    codes: Annotated[int, typer.Option(help="How many codes.", min=1, max=20)] = 4,
) -> None:
    """Print new codes for a superuser, in place of their unused ones. They are shown this once."""

    async def work(core: Core, now: int) -> None:
        from ostiary.app.operator.links import base_url  # noqa: PLC0415 - only these commands make codes
        from ostiary.signon.break_glass.codes import BreakGlassCodes  # noqa: PLC0415 - as above

        subject = await _person(core, username)
        if not subject.is_superuser:
            raise SettingsError(f"{username} is no superuser: a break-glass code would open nothing")
        made = await core.services[BreakGlassCodes].create(subject.user, codes, now=now)
        site = base_url(core.settings, core.hosts.address())
        typer.echo(f"Break-glass codes of {subject.user.username}, for {site}recovery/break-glass/")
        typer.echo("Each works once, without password, second factor or flow. Keep this sheet in a safe.\n")
        typer.echo("\n".join(f"  {code.reveal()}" for code in made))

    with_core(work)


@break_glass.command("list")
def show() -> None:
    """Print who has unused codes, how many, and since when."""

    async def work(core: Core, now: int) -> None:
        del now
        from ostiary.resource.timestamp import format_timestamp  # noqa: PLC0415 - as above
        from ostiary.signon.break_glass.codes import BreakGlassCodes  # noqa: PLC0415 - as above

        found = await core.services[BreakGlassCodes].left()
        for one in found:
            typer.echo(f"{one.username}: {one.number}, made {format_timestamp(one.created)}")
        if not found:
            typer.echo("nobody has break-glass codes")

    with_core(work)


@break_glass.command("revoke")
def revoke(username: Username) -> None:
    """Delete the unused codes of a user."""

    async def work(core: Core, now: int) -> None:
        from ostiary.signon.break_glass.codes import BreakGlassCodes  # noqa: PLC0415 - as above

        subject = await _person(core, username)
        number = await core.services[BreakGlassCodes].revoke(subject.user, now=now)
        typer.echo(f"{number} codes of {subject.user.username} were revoked")

    with_core(work)


async def _person(core: Core, username: str) -> Subject:
    """Return a user with their groups. Raises SettingsError, with similar names."""
    from ostiary.cli.explaining.access import named  # noqa: PLC0415 - as above
    from ostiary.signon.explain.lookup import find_person  # noqa: PLC0415 - as above

    with named():
        return await find_person(core.users, username)
