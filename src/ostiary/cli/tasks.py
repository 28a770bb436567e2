"""The commands about the queue of background work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ostiary.cli.accounts import up_to, with_core
from ostiary.cli.times import show_time
from ostiary.settings import SettingsError

if TYPE_CHECKING:
    from ostiary.app.core import Core
    from ostiary.tasks.inspection import QueuedTask, TaskList

tasks = typer.Typer(help="Look into the queue of background work.", invoke_without_command=True)

_WORDS: Final = {"queued": "waiting", "running": "running", "dead": "given up", "done": "done"}
_STATES: Final = {"waiting": "queued", "running": "running", "dead": "dead", "done": "done"}
_NAMES: Final = {state: name for name, state in _STATES.items()}
_OPEN: Final = "waiting,running,dead"
_LIMIT: Final = 100
_ERROR: Final = 80  # characters of an error in a list

State = Annotated[str, typer.Option(help="Only these states, separated by commas: waiting, running, dead, done.")]
Name = Annotated[str, typer.Option(help="Only tasks of this name, such as oauth2.backchannel_logout.")]
Limit = Annotated[int, typer.Option(help="How many at most, the oldest; 0: no limit.", min=0)]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line, with every detail.")]
Numbers = Annotated[list[str] | None, typer.Argument(help="Numbers of tasks that were given up.", show_default=False)]


@tasks.callback()
def read(context: typer.Context) -> None:
    """Look into the queue of background work: what waits, what runs, and what was given up."""
    if context.invoked_subcommand is None:
        list_tasks()


@tasks.command("list")
def list_tasks(*, state: State = _OPEN, name: Name = "", limit: Limit = _LIMIT, json: AsJson = False) -> None:
    """List tasks, the oldest first: state, tries, next try and last error. The same as `ostiary tasks` alone."""
    states = tuple(_state(word) for word in state.replace(",", " ").split())
    if not states:
        raise SettingsError(f"--state: expected some of {', '.join(_STATES)}")

    async def work(core: Core, now: int) -> None:
        from ostiary.cli.tables import print_table  # noqa: PLC0415 - wrong usage is reported before anything is loaded

        wanted = _list(core).search(states, name or None)
        found = [task async for task in up_to(limit + 1 if limit else None, wanted)]
        shown, most = found[: limit or None], _most_tries(core)
        if json:
            for task in shown:
                _print_json(task)
        else:
            print_table(
                ("number", "task", "state", "tries", "next try", "last error"),
                [_row(task, most, now) for task in shown],
            )
        if len(found) > len(shown):
            typer.echo("There are more: --limit 0 shows all.", err=True)
        if not found and not json:
            typer.echo(f"No task is {' or '.join(_WORDS[one] for one in states)}.", err=True)

    with_core(work)


@tasks.command("show")
def show(
    number: Annotated[str, typer.Argument(help="The number of the task.", show_default=False)], *, json: AsJson = False
) -> None:
    """Tell all about one task."""

    async def work(core: Core, now: int) -> None:
        task = await _list(core).get(number.strip())
        if task is None:
            raise _unknown(number)
        if json:
            _print_json(task)
        else:
            typer.echo("\n".join(_story(task, _most_tries(core), now)))

    with_core(work)


@tasks.command("retry")
def retry(
    numbers: Numbers = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every task that was given up.")] = False,
) -> None:
    """Queue tasks again that were given up. Each has all its tries again; a worker takes it within a second."""
    if bool(numbers) == every:
        raise SettingsError("expected numbers of tasks, or --all")

    async def work(core: Core, now: int) -> None:
        queue = _list(core)
        wanted = (
            [task.id async for task in queue.search(("dead",))] if every else [one.strip() for one in numbers or ()]
        )
        for number in wanted:
            if await queue.retry(number, now=now):
                typer.echo(f"{number} is queued again")
                continue
            task = await queue.get(number)
            if task is None:
                raise _unknown(number)
            raise SettingsError(f"the task {number} was not given up: it is {_WORDS[task.state]}")
        if not wanted:
            typer.echo("no task was given up")

    with_core(work)


def _list(core: Core) -> TaskList:
    from ostiary.tasks.inspection import TaskList  # noqa: PLC0415 - as above

    return TaskList(core.database)


def _most_tries(core: Core) -> Mapping[str, int]:
    """Return how often each task is tried, by its name."""
    from ostiary.app.background import jobs_of  # noqa: PLC0415 - as above

    return {job.name: job.attempts for job in jobs_of(core)}


def _row(task: QueuedTask, most: Mapping[str, int], now: int) -> tuple[str, ...]:
    error = (task.error or "-").splitlines()[0]
    short = error if len(error) <= _ERROR else f"{error[: _ERROR - 3]}..."
    return (task.id, task.name, _WORDS[task.state], _tries(task, most), _next_try(task, now), short)


def _story(task: QueuedTask, most: Mapping[str, int], now: int) -> Sequence[str]:
    """Return the lines about one task."""
    from ostiary.resource import codec  # noqa: PLC0415 - as above

    ended = () if task.finished is None else (f"ended: {show_time(task.finished)}",)
    return (
        f"{task.name}: {_WORDS[task.state]}",
        f"number: {task.id}",
        f"queued: {show_time(task.created)}",
        f"tries: {_tries(task, most)}",
        f"next try: {_next_try(task, now)}",
        *ended,
        f"last error: {task.error or '-'}",
        f"arguments: {codec.encode_canonical(task.args)}",
        *(() if task.key is None else (f"key: {task.key}",)),
    )


def _tries(task: QueuedTask, most: Mapping[str, int]) -> str:
    """Return how often a task was tried, and how often it may be. A task of an older version has no limit here."""
    return f"{task.attempts} of {most[task.name]}" if task.name in most else str(task.attempts)


def _next_try(task: QueuedTask, now: int) -> str:
    if task.due is None:
        return "-"
    if task.state == "running":
        # The lease of a worker that lives lies ahead: without a renewal another one begins the task again.
        return "runs now" if task.due > now else "now: its worker is lost"
    return show_time(task.due) if task.due > now else "now"


def _print_json(task: QueuedTask) -> None:
    from ostiary.resource import codec  # noqa: PLC0415 - as above

    times = {name: getattr(task, name) for name in ("created", "due", "finished")}
    data = {name: getattr(task, name) for name in task.__slots__}
    shown = {name: None if value is None else show_time(value) for name, value in times.items()}
    typer.echo(codec.encode_canonical({**data, **shown, "state": _NAMES[task.state]}))


def _unknown(number: str) -> SettingsError:
    return SettingsError(f"no task has the number {number}; `ostiary tasks list` lists what there is")


def _state(word: str) -> str:
    if word not in _STATES:
        raise SettingsError(f"--state {word}: no such state; there are {', '.join(_STATES)}")
    return _STATES[word]
