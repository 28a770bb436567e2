"""The commands that show a flow, and walk through it with a person. Nothing is done of what it would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.cli.accounts import with_core
from ostiary.cli.explaining.access import Supposed, named, read_context, snapshot_of
from ostiary.cli.explaining.trials import read_facts

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.flows.resources import Flow
    from ostiary.signon.explain.situation import UserSituation

flows = typer.Typer(help="Show flows, and try them.", no_args_is_help=True)

_NAMES: Final = ("ip", "time", "revision")
_FOR_STRANGERS: Final = frozenset({"authentication", "enrollment", "recovery"})

Slug = Annotated[str, typer.Argument(help="The slug of the flow.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every detail.")]


@flows.command("show")
def flow_show(
    slug: Slug,
    *,
    svg: Annotated[Path | None, typer.Option(help="Also draw it: the file to write, as SVG.")] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="The configuration of an earlier revision: revision=NUMBER.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Print the stages of a flow, the policies that decide about each, and where each can lead."""
    supposed = read_context(context or (), ("revision",))

    async def work(core: Core, now: int) -> None:
        del now
        from ostiary.directory.group_tree import read_group_tree  # noqa: PLC0415 - only this command shows
        from ostiary.resource import codec  # noqa: PLC0415 - as above
        from ostiary.signon.explain.flow_outline import drawing, outline_flow  # noqa: PLC0415 - as above
        from ostiary.signon.explain.lookup import find_flow  # noqa: PLC0415 - as above

        snapshot = await snapshot_of(core, supposed)
        with named():
            flow = find_flow(snapshot, slug)
        groups = await read_group_tree(core.database, install_id=core.users.install_id)
        outline = outline_flow(flow, snapshot, groups)
        if svg is not None:
            svg.write_text(drawing(outline), encoding="utf-8")
        typer.echo(codec.encode_canonical(outline.data()) if json else "\n".join(outline.lines()))

    with_core(work)


@flows.command("simulate")
def flow_simulate(
    slug: Slug,
    *,
    user: Annotated[str, typer.Option(help="The username.", show_default=False)],
    signed_in: Annotated[
        bool | None,
        typer.Option(
            "--signed-in/--signed-out",
            help="Whether they are signed in already. Not given: as the flow requires, else as its designation says.",
            show_default=False,
        ),
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "--context",
            help="What to suppose, as NAME=VALUE separated by commas: ip, time, or an earlier revision.",
        ),
    ] = None,
    facts: Annotated[
        str, typer.Option(help="A JSON object: the context of the flow's plan; -: from standard input.")
    ] = "{}",
    json: AsJson = False,
) -> None:
    """Walk through a flow with a person: what each policy says, and which stages are taken. Nothing is done of it."""
    supposed, known = read_context(context or (), _NAMES), read_facts(facts)

    async def work(core: Core, now: int) -> None:
        from ostiary.resource import codec  # noqa: PLC0415 - only this command walks
        from ostiary.signon.explain.explanation import plain_data  # noqa: PLC0415 - as above
        from ostiary.signon.explain.flow_runs import simulate  # noqa: PLC0415 - as above
        from ostiary.signon.explain.report import simulation_lines  # noqa: PLC0415 - as above

        flow, situation = await _situation(core, slug, user, supposed, now)
        run = await simulate(
            flow, situation, signed_in=_is_signed_in(flow) if signed_in is None else signed_in, facts=known
        )
        typer.echo(codec.encode_canonical(plain_data(run)) if json else "\n".join(simulation_lines(run, situation)))

    with_core(work)


async def _situation(core: Core, slug: str, user: str, supposed: Supposed, now: int) -> tuple[Flow, UserSituation]:
    """Read the flow and the person. Raises SettingsError for names that nothing has."""
    from ostiary.directory.group_tree import read_group_tree  # noqa: PLC0415 - as above
    from ostiary.policies.services import PolicyServices  # noqa: PLC0415 - as above
    from ostiary.signon.explain.lookup import find_flow, find_person  # noqa: PLC0415 - as above
    from ostiary.signon.explain.situation import UserSituation  # noqa: PLC0415 - as above

    snapshot = await snapshot_of(core, supposed)
    with named("" if supposed.revision is None else f" (as of revision {snapshot.number})"):
        flow, subject = find_flow(snapshot, slug), await find_person(core.users, user)
    situation = UserSituation(
        subject=subject,
        snapshot=snapshot,
        newest_revision=core.plane.snapshot.number,
        groups=await read_group_tree(core.database, install_id=core.users.install_id),
        now=now if supposed.time is None else supposed.time,
        client_ip=supposed.ip,
        policy_services=core.services[PolicyServices],
    )
    return flow, situation


def _is_signed_in(flow: Flow) -> bool:
    if flow.authentication in {"require_authenticated", "require_superuser"}:
        return True
    return flow.authentication != "require_unauthenticated" and flow.designation not in _FOR_STRANGERS
