"""Runs an expression in a worker, with what it may see and ask, and returns its value and its wishes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ostiary.sandbox.answering.errors import ExpressionFailed, ExpressionRefused
from ostiary.sandbox.answering.given import given_values, pending_person
from ostiary.sandbox.answering.mailing import posts_of
from ostiary.sandbox.answering.outcome import SKIPPED, result_of
from ostiary.sandbox.language.program import Prepared, RefusedExpression, prepare
from ostiary.sandbox.workers import Aborted, Finish, HostFunction, Program, Workers

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mail.outbox import Outbox
    from ostiary.sandbox.answering.functions import Functions
    from ostiary.sandbox.answering.result import Evaluation
    from ostiary.sandbox.answering.scene import Expression, Scene


class Runner:
    """Runs expressions. What they ask of this process is answered by `functions`."""

    def __init__(self, workers: Workers, functions: Functions, outbox: Outbox | None = None) -> None:
        self.workers = workers
        self._functions = functions
        self._outbox = outbox

    async def run(self, expression: Expression, scene: Scene) -> Evaluation:
        """Run an expression. Raises ExpressionFailed, ExpressionRefused.

        Nothing that it would like done is done here. No transaction may be open meanwhile: a run takes its time.
        """
        try:
            prepared = prepare(expression.source, expression.dialect)
        except RefusedExpression as error:
            raise ExpressionRefused(str(error)) from None
        outcome = await self.workers.run(
            Program(prepared.source, expression.name),
            inputs=given_values(prepared, scene, await self._people(prepared, scene)),
            functions=self._answers(prepared, scene),
            trial=scene.trial,
        )
        if isinstance(outcome, Aborted):
            raise ExpressionFailed(outcome.message, line=_line(prepared, outcome))
        result = result_of(outcome, expression.dialect)
        # guard: A80 a trial posts no mail
        if not result.effects.mails or scene.trial:
            return result
        posts = tuple(posts_of(result.effects.mails, expression, scene, self._outbox))
        return dataclasses.replace(result, effects=dataclasses.replace(result.effects, posts=posts))

    async def _people(self, prepared: Prepared, scene: Scene) -> Mapping[int, Subject | None]:
        pk = pending_person(prepared, scene)
        if pk is None:
            return {}
        if scene.subject is not None and scene.subject.user.pk == pk:
            return {pk: scene.subject}
        return {pk: await self._functions.subject(pk)}

    def _answers(self, prepared: Prepared, scene: Scene) -> Mapping[str, HostFunction]:
        """Return what the program may ask, by the names of `prelude.outside`."""
        found = {**self._functions.of(scene, prepared), "host_skip_object": _skip}
        return {name: found[name] for name in prepared.functions if name in found}


def _line(prepared: Prepared, outcome: Aborted) -> int | None:
    for line, column in reversed(outcome.frames):
        if (own := prepared.places.line(line, column - 1)) is not None:
            return own
    return None


def _skip() -> None:
    raise Finish(SKIPPED)
