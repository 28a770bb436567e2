"""The commands that try one policy or one property mapping with a person. Nothing is done of what it wants."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ostiary.cli.accounts import with_core
from ostiary.cli.explaining.access import named, read_context, snapshot_of
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.signon.explain.trial import MappingTrial, PolicyTrial

policies = typer.Typer(help="Try policies.", no_args_is_help=True)
mappings = typer.Typer(help="Try property mappings.", no_args_is_help=True)

_NAMES: Final = ("ip", "time", "revision")

User = Annotated[str, typer.Option(help="The username.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every detail.")]
Context = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        help="What to suppose, as NAME=VALUE separated by commas: ip, time, or an earlier revision.",
    ),
]
Revision = Annotated[
    list[str] | None, typer.Option("--context", help="The configuration of an earlier revision: revision=NUMBER.")
]


@policies.command("test")
def policy_test(
    name: Annotated[str, typer.Argument(help="The name of the policy.", show_default=False)],
    *,
    user: User,
    context: Context = None,
    facts: Annotated[
        str, typer.Option(help="A JSON object: what the policy sees as request.context; -: from standard input.")
    ] = "{}",
    json: AsJson = False,
) -> None:
    """Evaluate one policy for a person: its answer, messages and duration. Exit code 1 if it cannot be evaluated."""
    supposed, known = read_context(context or (), _NAMES), read_facts(facts)

    async def work(core: Core, now: int) -> None:
        from ostiary.policies.services import PolicyServices  # noqa: PLC0415 - only this command tries
        from ostiary.signon.explain.lookup import find_person, find_policy  # noqa: PLC0415 - as above
        from ostiary.signon.explain.trial import try_policy  # noqa: PLC0415 - as above

        snapshot = await snapshot_of(core, supposed)
        with named():
            policy, subject = find_policy(snapshot, name), await find_person(core.users, user)
        tried = await try_policy(
            policy,
            subject=subject,
            snapshot=snapshot,
            facts=known,
            client_ip=supposed.ip,
            now=now if supposed.time is None else supposed.time,
            services=core.services[PolicyServices],
        )
        _print(tried, json=json)
        if not tried.evaluated:
            raise typer.Exit(1)

    with_core(work)


@mappings.command("test")
def mapping_test(
    name: Annotated[str, typer.Argument(help="The name of the mapping.", show_default=False)],
    *,
    user: User,
    context: Revision = None,
    facts: Annotated[
        str,
        typer.Option(
            help="A JSON object: variables of the mapping's kind, such as ldap or info; -: from standard input."
        ),
    ] = "{}",
    json: AsJson = False,
) -> None:
    """Evaluate one property mapping for a person: what it gives. Exit code 1 if it cannot be evaluated."""
    supposed, names = read_context(context or (), ("revision",)), read_facts(facts)

    async def work(core: Core, now: int) -> None:
        from ostiary.sandbox.evaluation.evaluator import Evaluator  # noqa: PLC0415 - as above
        from ostiary.signon.explain.lookup import find_mapping, find_person  # noqa: PLC0415 - as above
        from ostiary.signon.explain.trial import try_mapping  # noqa: PLC0415 - as above

        snapshot = await snapshot_of(core, supposed)
        with named():
            mapping, subject = find_mapping(snapshot, name), await find_person(core.users, user)
        tried = await try_mapping(mapping, subject=subject, now=now, evaluator=core.services[Evaluator], names=names)
        _print(tried, json=json)
        if tried.error:
            raise typer.Exit(1)

    with_core(work)


def read_facts(text: str) -> Mapping[str, Any]:
    """Return the facts of an option. Raises SettingsError."""
    import json  # noqa: PLC0415 - only these commands read it

    try:
        facts = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError as error:
        raise SettingsError(f"--facts: expected a JSON object ({error})") from None
    if not isinstance(facts, dict):
        raise SettingsError('--facts: expected a JSON object, such as {"prompt_data": {"password": "..."}}')
    return facts


def _print(tried: PolicyTrial | MappingTrial, *, json: bool) -> None:
    from ostiary.resource import codec  # noqa: PLC0415 - as above

    typer.echo(codec.encode_canonical(tried.data()) if json else "\n".join(tried.lines()))
