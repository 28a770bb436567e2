"""The command that explains why somebody may use an application, or not."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.cli.accounts import with_core
from ostiary.cli.times import read_time
from ostiary.record import dataclass
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.signon.explain.situation import Situation
    from ostiary.store.configuration.snapshot import Snapshot

_NAMES: Final = ("ip", "time", "amr", "scope", "host", "revision")
_DIGITS: Final = 15  # of the number of a revision

ContextOption = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        help="What to suppose, as NAME=VALUE separated by commas: ip, time, amr, scope, host, or the configuration of"
        " an earlier revision. A name may be repeated.",
    ),
]


@dataclass(frozen=True, slots=True)
class Supposed:
    """What a command was told to suppose. `time` is microseconds UTC; None: now. `revision` None: the newest."""

    ip: str | None = None
    time: int | None = None
    amr: tuple[str, ...] = ()
    scopes: tuple[str, ...] | None = None
    host: str | None = None
    revision: int | None = None


def explain(
    user: Annotated[str, typer.Argument(help="The username.", show_default=False)],
    application: Annotated[
        str, typer.Argument(help="The application: its slug, client id or name.", show_default=False)
    ],
    *,
    context: ContextOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object with every detail.")] = False,
) -> None:
    """Return whether a person may use an application, and why: policies, flows, claims. Nothing is written or sent."""
    supposed = read_context(context or ())

    async def work(core: Core, now: int) -> None:
        from ostiary.resource import codec  # noqa: PLC0415 - only this command explains
        from ostiary.signon.explain.explanation import explain as explained  # noqa: PLC0415 - as above
        from ostiary.signon.explain.preview import ProtocolPreviews  # noqa: PLC0415 - as above
        from ostiary.signon.explain.report import lines  # noqa: PLC0415 - as above

        found = await explained(
            await _situation(core, user, application, supposed, now), core.services[ProtocolPreviews]
        )
        typer.echo(codec.encode_canonical(found.data()) if json else "\n".join(lines(found)))

    with_core(work)


async def _situation(core: Core, user: str, application: str, supposed: Supposed, now: int) -> Situation:
    """Read the person and the application. Raises SettingsError for names that nobody has."""
    from ostiary.app.operator.links import base_url  # noqa: PLC0415 - as above
    from ostiary.directory.group_tree import read_group_tree  # noqa: PLC0415 - as above
    from ostiary.policies.services import PolicyServices  # noqa: PLC0415 - as above
    from ostiary.sandbox.evaluation.evaluator import Evaluator  # noqa: PLC0415 - as above
    from ostiary.signon.explain.lookup import find_application, find_person  # noqa: PLC0415 - as above
    from ostiary.signon.explain.situation import Situation  # noqa: PLC0415 - as above

    newest = core.plane.snapshot
    snapshot = await snapshot_of(core, supposed)
    with named("" if snapshot is newest else f" (as of revision {snapshot.number})"):
        found = find_application(snapshot, application)
        subject = await find_person(core.users, user)
    host = supposed.host or core.hosts.address()
    return Situation(
        evaluator=core.services[Evaluator],
        policy_services=core.services[PolicyServices],
        subject=subject,
        application=found,
        snapshot=snapshot,
        newest_revision=newest.number,
        groups=await read_group_tree(core.database, install_id=core.users.install_id),
        now=now if supposed.time is None else supposed.time,
        client_ip=supposed.ip,
        host=host or "",
        base_url=base_url(core.settings, host).rstrip("/"),
        amr=supposed.amr,
        scopes=supposed.scopes,
    )


async def snapshot_of(core: Core, supposed: Supposed) -> Snapshot:
    """Return the configuration to try with. Raises UnknownRevision."""
    return core.plane.snapshot if supposed.revision is None else await core.plane.snapshot_at(supposed.revision)


@contextmanager
def named(addition: str = "") -> Iterator[None]:
    """Raise SettingsError for a name that nothing has, with an addition to its text."""
    from ostiary.signon.explain.lookup import NotFoundHere  # noqa: PLC0415 - as above

    try:
        yield
    except NotFoundHere as error:
        raise SettingsError(f"{error}{addition}") from None


def read_context(options: Sequence[str], names: Collection[str] = _NAMES) -> Supposed:
    """Return what was supposed. `names` are those that may be. Raises SettingsError."""
    values: dict[str, list[str]] = {}
    for option in options:
        for pair in option.split(","):
            name, equals, value = pair.strip().partition("=")
            if not equals or name not in names:
                raise SettingsError(f"--context {pair.strip()}: expected NAME=VALUE with one of {', '.join(names)}")
            values.setdefault(name, []).append(value.strip())
    return Supposed(
        ip=_address(_last(values, "ip")),
        time=_moment(_last(values, "time")),
        amr=tuple(values.get("amr", ())),
        scopes=tuple(values["scope"]) if "scope" in values else None,
        host=_last(values, "host"),
        revision=_number(_last(values, "revision")),
    )


def _last(values: Mapping[str, Sequence[str]], name: str) -> str | None:
    return values[name][-1] if name in values else None


def _address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ipaddress.ip_address(text))
    except ValueError:
        raise SettingsError(f"--context ip={text}: expected an address such as 192.0.2.1") from None


def _moment(text: str | None) -> int | None:
    try:
        return None if text is None else read_time(text)
    except ValueError:
        raise SettingsError(f"--context time={text}: expected a time such as 2026-01-31T12:00") from None


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise SettingsError(f"--context revision={text}: expected the number of a revision, as decisions show it")
    return int(text)
