"""The commands and their options. Each loads what it needs when it is called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ostiary.cli import accounts, backups, factors
from ostiary.cli.break_glass import break_glass
from ostiary.cli.events import events
from ostiary.cli.explaining.access import explain
from ostiary.cli.explaining.flows import flows
from ostiary.cli.explaining.trials import mappings, policies
from ostiary.cli.hosts import hosts
from ostiary.cli.keys import keys
from ostiary.cli.mail import mail
from ostiary.cli.processes import start
from ostiary.cli.tasks import tasks
from ostiary.settings import Settings, load

app = typer.Typer(
    name="ostiary",
    help="Ostiary, a self-hosted identity provider.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
blueprints = typer.Typer(help="Apply configuration from files.", no_args_is_help=True)
app.add_typer(blueprints, name="blueprint")
accounts.users.command("factors")(factors.list_factors)
accounts.users.command("remove-factor")(factors.remove_factor)
app.add_typer(accounts.users, name="user")
app.add_typer(accounts.groups, name="group")
app.add_typer(keys, name="keys")
app.add_typer(hosts, name="host")
app.add_typer(break_glass, name="break-glass")
app.add_typer(events, name="events")
app.add_typer(tasks, name="tasks")
app.add_typer(mail, name="mail")
app.add_typer(flows, name="flow")
app.add_typer(policies, name="policy")
app.add_typer(mappings, name="mapping")
app.command("explain")(explain)
app.command("recovery-link")(accounts.recovery_link)
app.command("setup-link")(accounts.setup_link)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)


def run(words: Sequence[str]) -> int:
    """Run one command and return its exit code. The command line library reports wrong usage itself, with code 2."""
    try:
        app(list(words), prog_name="ostiary")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else 0
    return 0


def _show_version(requested: bool) -> None:
    if requested:
        version()
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error happened.")] = False,
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options before the command."""


@app.command()
def serve() -> None:
    """Answer requests and do background work, in one process, until stopped."""
    start("serve")


@app.command()
def server() -> None:
    """Answer requests only."""
    start("server")


@app.command()
def worker() -> None:
    """Do background work only."""
    start("worker")


@app.command()
def version() -> None:
    """Print the version."""
    from ostiary import __version__  # noqa: PLC0415

    typer.echo(f"ostiary {__version__}")


@app.command()
def migrate() -> None:
    """Bring the database up to date, and do nothing else."""
    from ostiary.app.operator.migration import migrate_only  # noqa: PLC0415
    from ostiary.app.serve import run_briefly  # noqa: PLC0415

    async def work() -> None:
        steps = await migrate_only(settings())
        typer.echo(f"{steps} steps applied" if steps else "the database is up to date")

    run_briefly(work())


@app.command("settings")
def show_settings() -> None:
    """Show the settings in force, and where each came from. Secrets are starred."""
    from ostiary.cli.tables import print_table  # noqa: PLC0415

    current = settings()
    rows = [(setting.variable, setting.text or "-", setting.source) for setting in current.shown.values()]
    print_table(("setting", "value", "from"), rows)
    for note in current.notes:
        typer.echo(f"note: {note}")


@app.command()
def healthcheck() -> None:
    """Check that the process with these settings is ready. The exit code is 0 or 1."""
    from ostiary.app.operator.probe import why_not_ready  # noqa: PLC0415

    problem = why_not_ready(settings())
    typer.echo(f"not ready: {problem}" if problem else "ready")
    raise typer.Exit(1 if problem else 0)


Files = Annotated[list[Path], typer.Argument(help="Files, or folders of .yaml files.", show_default=False)]


@blueprints.command("apply")
def apply(
    files: Files,
    *,
    show_made_secrets: Annotated[
        bool,
        typer.Option(
            "--show-made-secrets",
            help="Print the secrets generated for new objects. They are never shown again.",
        ),
    ] = False,
) -> None:
    """Apply blueprints: each file in one transaction, all of it or nothing."""
    _blueprints(files, preview=False, reveal=show_made_secrets)


@blueprints.command("check")
def check(files: Files) -> None:
    """Show what applying would change, and write nothing."""
    _blueprints(files, preview=True)


def _blueprints(files: Sequence[Path], *, preview: bool, reveal: bool = False) -> None:
    from ostiary.app.core import clock, open_core  # noqa: PLC0415
    from ostiary.app.serve import run_briefly  # noqa: PLC0415
    from ostiary.blueprints.report import render  # noqa: PLC0415
    from ostiary.blueprints.service import apply_paths, check_paths  # noqa: PLC0415

    async def work() -> None:
        core = await open_core(settings())
        try:
            if preview:
                report = await check_paths(files, editor=core.editor, registry=core.registry, environ=os.environ)
            else:
                report = await apply_paths(
                    files,
                    editor=core.editor,
                    registry=core.registry,
                    environ=os.environ,
                    author=accounts.AUTHOR,
                    now=clock(),
                )
        finally:
            await core.close()
        typer.echo(render(report, reveal=reveal), err=not report.ok)
        if not report.ok:
            raise typer.Exit(1)

    run_briefly(work())


def settings() -> Settings:
    """Return the settings in force."""
    return load(os.environ)
