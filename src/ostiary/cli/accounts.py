"""The commands for users and groups, and for recovery and set-up links."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from ostiary.seal import Secret
from ostiary.settings import SettingsError, load

if TYPE_CHECKING:
    from ostiary.app.core import Core

AUTHOR: Final = "operator"
"""The author of revisions and events that come from the command line."""

PAGE: Final = 500
"""Users in one page of a list, unless --limit says otherwise."""

T = TypeVar("T")

users = typer.Typer(help="Manage people.", no_args_is_help=True)
groups = typer.Typer(help="Manage memberships.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The username.", show_default=False)]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@users.command("create")
def create(
    username: Username,
    name: Annotated[str, typer.Option(help="The name people see; the username when not given.")] = "",
    email: Annotated[str, typer.Option(help="E-mail address.")] = "",
    group: Annotated[list[str] | None, typer.Option(help="Name of a group to join; may be repeated.")] = None,
    password_stdin: FromStdin = False,
) -> None:
    """Create a person. Without a password nobody can sign in as them until one is set."""
    password = _read_password() if password_stdin else None

    async def work(core: Core, now: int) -> None:
        if password is not None:
            require_good(core, password)
        user = await core.accounts.create(
            username, name=name, email=email, password=password, groups=tuple(group or ()), now=now
        )
        typer.echo(f"created {user.username} (number {user.pk}){'' if password else ', without a password'}")

    with_core(work)


@users.command("set-password")
def set_password(username: Username, password_stdin: FromStdin = False) -> None:
    """Set a person's password. It ends their sessions, and the tokens applications hold for them."""
    password = _read_password() if password_stdin else _ask_password()
    if password is None:
        raise SettingsError("expected a password on standard input")

    async def work(core: Core, now: int) -> None:
        require_good(core, password)
        await core.accounts.set_password(username, password, now=now)
        typer.echo(f"the password of {username} is set")

    with_core(work)


@users.command("revoke")
def revoke(username: Username) -> None:
    """Sign a person out everywhere. It ends their sessions, and every token applications hold for them."""

    async def work(core: Core, now: int) -> None:
        await core.accounts.revoke(username, now=now)
        typer.echo(f"{username} is signed out everywhere")

    with_core(work)


@users.command("list")
def list_users(
    search: Annotated[str, typer.Option(help="Part of a username, e-mail address or name.")] = "",
    limit: Annotated[int, typer.Option(help="Length of a page; 0: no limit.", min=0)] = PAGE,
    after: Annotated[int, typer.Option(help="Only those with a higher number: the next page.", min=0)] = 0,
) -> None:
    """List people by number, one page at a time."""
    from ostiary.cli.tables import print_table  # noqa: PLC0415 - only this command prints a table

    async def work(core: Core, _now: int) -> None:
        users_found = core.accounts.list(search=search, after=after)
        rows = [
            (str(user.pk), user.username, user.name, user.email, user.type, "yes" if user.is_active else "no")
            async for user in up_to(limit + 1 if limit else None, users_found)
        ]
        shown = rows[: limit or None]
        print_table(("number", "username", "name", "e-mail", "type", "active"), shown)
        if len(rows) > len(shown):
            typer.echo(f"There are more: --after {shown[-1][0]} shows the next, --limit 0 all.", err=True)

    with_core(work)


async def up_to(most: int | None, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield at most `most` items, and fetch no more than those."""
    remaining = most
    while remaining is None or remaining > 0:
        try:
            yield await anext(items)
        except StopAsyncIteration:
            return
        remaining = None if remaining is None else remaining - 1


@groups.command("add-user")
def add_user(
    group: Annotated[str, typer.Argument(help="Name of the group.", show_default=False)], username: Username
) -> None:
    """Add a person to a group."""

    async def work(core: Core, now: int) -> None:
        await core.accounts.add_to_group(username, group, now=now)
        typer.echo(f"{username} is a member of {group}")

    with_core(work)


def recovery_link(
    username: Username,
    without_mfa: Annotated[
        bool, typer.Option("--without-mfa", help="Do not ask for the second factor either; this is logged.")
    ] = False,
    minutes: Annotated[int, typer.Option(help="How long the link is valid.", min=1, max=10080)] = 60,
) -> None:
    """Print a link that signs a person in once, without their password."""
    from ostiary.app.operator import links  # noqa: PLC0415

    async def work(core: Core, now: int) -> None:
        key = await core.accounts.recovery_link(username, without_mfa=without_mfa, now=now, minutes=minutes)
        typer.echo(links.recovery_link(core.settings, key, core.hosts.address()))
        _print_hint(links.remote_access_hint(core.settings, core.hosts.address()))

    with_core(work)


def setup_link() -> None:
    """Print a new link to the first-run wizard. Earlier links stop working."""
    from ostiary.app.operator import links  # noqa: PLC0415

    async def work(core: Core, now: int) -> None:
        token = await core.setup.new_link_token(now)
        typer.echo(links.setup_link(core.settings, token, core.hosts.address()))
        _print_hint(links.remote_access_hint(core.settings, core.hosts.address()))
        links.remove_setup_link(core.settings)

    with_core(work)


def _print_hint(hint: str | None) -> None:
    """Print how to reach a local address from elsewhere, on standard error: scripts read the link alone."""
    if hint is not None:
        typer.echo(f"({hint})", err=True)


def require_good(core: Core, password: Secret) -> None:
    """Require that a new password follows the rules. Raises WeakPassword."""
    from ostiary.app.new_passwords import require_good_password  # noqa: PLC0415

    require_good_password(core.plane.snapshot, password)


def with_core(work: Callable[[Core, int], Awaitable[None]]) -> None:
    """Run one command's work on an open `Core`, with the time in microseconds UTC."""
    from ostiary.app.core import clock, open_core  # noqa: PLC0415 - wrong usage is reported before anything is loaded
    from ostiary.app.serve import run_briefly  # noqa: PLC0415

    async def run() -> None:
        core = await open_core(load(os.environ))
        try:
            await work(core, clock())
        finally:
            await core.close()

    run_briefly(run())


def _read_password() -> Secret | None:
    """Return the first line of standard input; None when there is none."""
    text = sys.stdin.readline().rstrip("\r\n")
    return Secret(text) if text else None


def _ask_password() -> Secret | None:
    if not sys.stdin.isatty():
        raise SettingsError("expected --password-stdin, because there is no terminal to ask on")
    text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return Secret(text) if text else None
