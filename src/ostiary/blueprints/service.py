"""The service behind the commands: apply or check files and directories."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from ostiary.blueprints.applying.apply import Applied, Order, Surroundings, apply_blueprint
from ostiary.blueprints.applying.entry import FindBlueprint
from ostiary.blueprints.errors import BlueprintError, EntryRefused, Fault, Postponed, Unreadable
from ostiary.blueprints.files import find_files, read_bytes, read_text_file
from ostiary.blueprints.passes import ApplyOnce, Passes
from ostiary.blueprints.report import FileResult, Report
from ostiary.blueprints.shipped import shipped_names
from ostiary.blueprints.text.source import TextPosition
from ostiary.blueprints.text.wrapper import Loaded, read_file
from ostiary.resource import InvalidResource, Registry
from ostiary.store.database import Conflict
from ostiary.store.workspace.editor import Editor, Workspace

After = Callable[[Workspace, Order], Awaitable[None]]
"""Called at the end of the transaction of a blueprint."""


async def apply_paths(
    paths: Sequence[str | Path],
    *,
    editor: Editor,
    registry: Registry,
    environ: Mapping[str, str],
    author: str,
    now: int,
) -> Report:
    """Apply files and directories (their *.yaml, hidden parts skipped), in passes, each blueprint one transaction.

    `environ` is what !Env sees; `now` is in microseconds UTC. Errors are in the report. Raises Unavailable, Conflict.
    """
    surroundings = Surroundings(registry, environ, read_text_file)
    attempt = committing_attempt(editor, surroundings, author=author, now=now)
    return await _run(paths, attempt, preview=False)


async def check_paths(
    paths: Sequence[str | Path], *, editor: Editor, registry: Registry, environ: Mapping[str, str]
) -> Report:
    """Report the changes `apply_paths` would make, without writing. Raises Unavailable."""
    surroundings = Surroundings(registry, environ, read_text_file)
    return await _run(paths, _preview_attempt(editor, surroundings), preview=True)


async def _run(paths: Sequence[str | Path], attempt: ApplyOnce, *, preview: bool) -> Report:
    loaded = await asyncio.to_thread(load_paths, paths)
    orders = [Order(one) for one in loaded.blueprints]
    results = await Passes(orders, attempt, applied_before=shipped_names()).run()
    failed = tuple(FileResult(path, path, error=error) for path, error in loaded.errors)
    return Report((*failed, *results), loaded.notices, preview=preview)


def load_paths(paths: Sequence[str | Path]) -> Loaded:
    """Read files and directories. A file that cannot be read is among the errors."""
    parts: list[Loaded] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            parts += [_load(str(file), file) for _, file in find_files(path)]
        else:
            parts.append(_load(str(name), path))
    blueprints = tuple(one for part in parts for one in part.blueprints)
    errors = dict(one for part in parts for one in part.errors)
    unique = tuple({one.path: one for one in blueprints}.values())  # a file named twice is read once
    return Loaded(unique, tuple(errors.items()), tuple(notice for part in parts for notice in part.notices))


def _load(name: str, file: Path) -> Loaded:
    try:
        return read_file(read_bytes(file, name), path=name)
    except Unreadable as error:
        return Loaded(errors=((name, error),))


def committing_attempt(
    editor: Editor, surroundings: Surroundings, *, author: str, now: int, after: After | None = None
) -> ApplyOnce:
    """Return a function that applies one blueprint in one transaction and one revision."""

    async def attempt(
        order: Order, find_blueprint: FindBlueprint, finished: frozenset[str], *, lenient: bool
    ) -> Applied:
        async def work(workspace: Workspace) -> Applied:
            applied = await apply_blueprint(
                order, workspace, surroundings=surroundings, find_blueprint=find_blueprint, finished=finished
            )
            _postpone(order, applied, lenient=lenient)
            if after is not None:
                await after(workspace, order)
            return applied

        message = f"Apply blueprint {order.blueprint.name}"
        try:
            applied, _ = await editor.edit(work, author=author, message=message, now=now)
        except InvalidResource as error:  # found while the transaction was built
            raise _unfit(order, error) from None
        except Conflict:
            message = "does not fit what is stored, or somebody changed the same at the same time"
            raise EntryRefused([Fault(order.blueprint.position, message)]) from None
        return applied

    return attempt


def _preview_attempt(editor: Editor, surroundings: Surroundings) -> ApplyOnce:
    """Return a function that applies blueprints to one workspace, one after another, and never commits."""
    opened: list[Workspace] = []

    async def attempt(
        order: Order, find_blueprint: FindBlueprint, finished: frozenset[str], *, lenient: bool
    ) -> Applied:
        if not opened:
            opened.append(await editor.open())
        [workspace] = opened
        before = workspace.pending()
        try:
            applied = await apply_blueprint(
                order, workspace, surroundings=surroundings, find_blueprint=find_blueprint, finished=finished
            )
            _postpone(order, applied, lenient=lenient)
        except BaseException:
            workspace.restore(before)  # a failed blueprint leaves no changes for the next ones
            raise
        return applied

    return attempt


def _postpone(order: Order, applied: Applied, *, lenient: bool) -> None:
    if applied.failed_lookups and not lenient:
        raise Postponed([Fault(order.blueprint.position, "a look-up found nothing")])


def _unfit(order: Order, error: InvalidResource) -> BlueprintError:
    place: TextPosition = order.blueprint.position
    return EntryRefused([Fault(place, problem.message, error.kind, problem.field) for problem in error.problems])
