"""The commands that read the audit log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.cli.accounts import up_to, with_core
from ostiary.cli.times import SECOND, read_time, show_time
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.events.repository import Event, EventFilter, Events

events = typer.Typer(help="Read the audit log: who did what, and who was refused why.", invoke_without_command=True)

_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_OVERLAP: Final = 10 * SECOND
"""How far back each look of --follow goes again: events of one moment may be committed out of order."""
_REQUEST: Final = re.compile(r"[0-9a-f]{32}")
_EVENT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@events.callback()
def read(
    context: typer.Context,
    *,
    user: Annotated[str, typer.Option(help="Only events of this username.")] = "",
    app: Annotated[str, typer.Option(help="Only events of this application: its name, slug or client id.")] = "",
    action: Annotated[str, typer.Option(help="Only these actions, separated by commas: login_failed,refused.")] = "",
    since: Annotated[str, typer.Option(help="How far back: 30m, 24h, 7d, or a time such as 2026-01-31T12:00.")] = "24h",
    limit: Annotated[int, typer.Option(help="How many at most, the newest; 0: no limit.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", help="Go on and print what happens, until interrupted.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with every detail.")] = False,
) -> None:
    """Print events, the newest last. `ostiary events show NUMBER` tells all about one."""
    if context.invoked_subcommand is not None:
        return
    actions = tuple(_action(name) for name in action.replace(",", " ").split())

    async def work(core: Core, now: int) -> None:
        from ostiary.events.repository import EventFilter, Events  # noqa: PLC0415 - only this command reads events

        log = Events(core.database, core.settings.event_retention)
        wanted = EventFilter(actions=actions, username=user or None, since=_since(since, now))
        found = [event async for event in up_to(limit or None, _matching(log, wanted, app))]
        for event in reversed(found):
            _print(event, json=json)
        if follow:
            await _follow(log, wanted, app, {event.pk for event in found}, json=json)

    with_core(work)


@events.command("show")
def show(
    number: Annotated[
        str,
        typer.Argument(help="The number on a page of refusal or in the log, or that of an event.", show_default=False),
    ],
) -> None:
    """Tell all about one event: what happened, how each policy decided, and what was recorded."""

    async def work(core: Core, _now: int) -> None:
        from ostiary.events.repository import EventFilter, Events  # noqa: PLC0415 - as above
        from ostiary.events.sentences import story  # noqa: PLC0415 - as above

        log, wanted = Events(core.database, core.settings.event_retention), number.strip().lower()
        found: Sequence[Event] = ()
        if _EVENT.fullmatch(wanted):
            event = await log.get(wanted)
            found = () if event is None else (event,)
        if not found and _REQUEST.fullmatch(wanted.replace("-", "")):
            found = await log.search(EventFilter(request=wanted.replace("-", "")))
        if not found:
            raise SettingsError(
                f"no event has the number {number}; `ostiary events --since 7d` lists what there is, and the log of the"
                " server has the number of every request"
            )
        names = await _names(core, found)
        for event in reversed(found):
            typer.echo("\n".join((show_time(event.created), *story(event, names), "")))

    with_core(work)


async def _names(core: Core, found: Sequence[Event]) -> Mapping[str, str]:
    """Return the names of the groups and users that decisions name by their keys, by key."""
    from ostiary.directory.group_tree import read_group_tree  # noqa: PLC0415 - as above
    from ostiary.events.sentences import named_in  # noqa: PLC0415 - as above

    named = {one for event in found for one in named_in(event)}
    if not named:
        return {}
    tree = await read_group_tree(core.database, install_id=core.users.install_id)
    names = {pk: placed.group.name for pk, placed in tree.groups.items()}
    for kind, pk in named:
        user = await core.users.get(pk) if kind == "user" and isinstance(pk, int) else None
        if user is not None:
            names[str(pk)] = user.username
    return names


async def _matching(log: Events, wanted: EventFilter, app: str) -> AsyncIterator[Event]:
    """Yield the events, newest first; of one application where it is named."""
    async for event in log.newest_first(wanted):
        if not app or _concerns(event, app):
            yield event


async def _follow(log: Events, wanted: EventFilter, app: str, seen: set[str], *, json: bool) -> None:
    import dataclasses  # noqa: PLC0415 - as above
    import time  # noqa: PLC0415 - as above

    while True:
        await asyncio.sleep(1)
        since = time.time_ns() // 1_000 - _OVERLAP
        recent = dataclasses.replace(wanted, since=since)
        found = [event async for event in _matching(log, recent, app)]
        for event in reversed(found):
            if event.pk not in seen:
                _print(event, json=json)
        seen = {event.pk for event in found}


def _concerns(event: Event, app: str) -> bool:
    """Return whether an event is about an application, by its name, slug or client id."""
    named: list[object] = [event.context.get("client_id")]
    for key in ("application", "authorized_application", "model"):
        value = event.context.get(key)
        if isinstance(value, Mapping):
            named += [value.get(name) for name in ("name", "slug", "client_id", "pk")]
    return app.casefold() in {str(one).casefold() for one in named if one is not None}


def _print(event: Event, *, json: bool) -> None:
    from ostiary.events.sentences import sentence  # noqa: PLC0415 - as above
    from ostiary.resource import codec  # noqa: PLC0415 - as above

    if json:
        data = {name: getattr(event, name) for name in event.__slots__}
        typer.echo(
            codec.encode_canonical({**data, "created": show_time(event.created), "expires": show_time(event.expires)})
        )
        return
    address = f" [{event.client_ip}]" if event.client_ip else ""
    number = event.context.get("request_id") or event.pk
    typer.echo(f"{show_time(event.created)} {sentence(event)}{address} {number}")


def _action(name: str) -> str:
    from ostiary.events.event import ACTIONS  # noqa: PLC0415 - as above

    if name in ACTIONS or name.startswith("custom_"):
        return name
    if name == "refused":
        return "custom_refused"
    raise SettingsError(f"--action {name}: no such action; there are refused, {', '.join(sorted(ACTIONS))}")


def _since(text: str, now: int) -> int:
    amount = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if amount is not None:
        return now - int(amount[1]) * _UNITS[amount[2]] * SECOND
    try:
        return read_time(text.strip())
    except ValueError:
        raise SettingsError(f"--since {text}: expected 30m, 24h, 7d, or a time such as 2026-01-31T12:00") from None
