"""The runner: it runs an expression in a worker with its inputs and host functions, and returns value and effects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ostiary.sandbox.evaluation.conversion import SKIPPED, Depends, result_of
from ostiary.sandbox.evaluation.errors import ExpressionFailed, ExpressionRefused
from ostiary.sandbox.evaluation.inputs import other_clock, pending_person, program_inputs, visiting_person
from ostiary.sandbox.evaluation.mails import outbox_statements
from ostiary.sandbox.evaluation.result import Evaluation
from ostiary.sandbox.language.program import PreparedProgram, RefusedExpression, prepare
from ostiary.sandbox.reaching.allowed import NO_HOSTS, AllowedHosts
from ostiary.sandbox.reaching.network import Network
from ostiary.sandbox.workers import Aborted, Finish, HostFunction, Program, Workers
from ostiary.web.errors import HttpError

if TYPE_CHECKING:
    from ostiary.directory.user import Subject
    from ostiary.mail.outbox import Outbox
    from ostiary.sandbox.evaluation.expression_context import Expression, ExpressionContext
    from ostiary.sandbox.evaluation.functions import Functions
    from ostiary.store.database import Statement


class Runner:
    """Runs expressions. `functions` implements their host functions."""

    def __init__(
        self,
        workers: Workers,
        functions: Functions,
        outbox: Outbox | None = None,
        allowed: AllowedHosts = NO_HOSTS,
        counts: dict[str, int] | None = None,
    ) -> None:
        """`outbox` takes their mails. `allowed` are the hosts of network requests, `counts` counts those by result."""
        self.workers = workers
        self._functions = functions
        self._outbox = outbox
        self._allowed = allowed
        self._counts = {} if counts is None else counts

    async def run(self, expression: Expression, expression_context: ExpressionContext) -> Evaluation:
        """Run an expression. Raises ExpressionFailed, ExpressionRefused.

        Its effects are returned, not carried out. No transaction may be open during the run, as it takes time.
        """
        try:
            prepared = prepare(expression.source, expression.dialect)
        except RefusedExpression as error:
            raise ExpressionRefused(str(error)) from None
        if other_clock(prepared, expression_context):
            return Evaluation(depends="a clock that cannot be set to another time")
        network = Network(self._allowed, self._counts, _unknown if expression_context.trial else None)
        outcome = await self.workers.run(
            Program(prepared.source, expression.name),
            inputs=program_inputs(
                prepared,
                expression_context,
                await self._people(prepared, expression_context),
                await _form(prepared, expression_context),
            ),
            functions=self._answers(prepared, expression_context, network),
            trial=expression_context.trial,
        )
        if isinstance(outcome, Aborted):
            raise ExpressionFailed(outcome.message, line=_line(prepared, outcome), seconds=outcome.seconds)
        return self._completed(result_of(outcome, expression.dialect), expression, expression_context, network)

    def _completed(
        self, result: Evaluation, expression: Expression, expression_context: ExpressionContext, network: Network
    ) -> Evaluation:
        """Return the result with its network requests, and with its mails for the outbox."""
        mails = result.effects.mails
        posts: tuple[Statement, ...] = ()
        # guard: A80 a trial posts no mail
        if mails and not expression_context.trial:
            posts = tuple(outbox_statements(mails, expression, expression_context, self._outbox))
        if not posts and not network.asked:
            return result
        effects = dataclasses.replace(result.effects, posts=posts, asked=tuple(network.asked))
        return dataclasses.replace(result, effects=effects)

    async def _people(
        self, prepared: PreparedProgram, expression_context: ExpressionContext
    ) -> Mapping[int, Subject | None]:
        wanted = {
            pk
            for pk in (pending_person(prepared, expression_context), visiting_person(prepared, expression_context))
            if pk is not None
        }
        subject = expression_context.subject
        return {
            pk: subject if subject is not None and subject.user.pk == pk else await self._functions.subject(pk)
            for pk in wanted
        }

    def _answers(
        self, prepared: PreparedProgram, expression_context: ExpressionContext, network: Network
    ) -> Mapping[str, HostFunction]:
        """Return the host functions that the program uses, by the names of `prelude.outside`."""
        if not prepared.functions:
            return {}
        found = {
            **self._functions.of(expression_context, prepared),
            "host_fetch": network.fetch,
            "host_addresses": network.addresses,
            "host_name": network.name,
            "host_skip_object": _skip,
        }
        return {name: found[name] for name in prepared.functions if name in found}


async def _form(prepared: PreparedProgram, expression_context: ExpressionContext) -> Sequence[tuple[str, str]]:
    """Return what was sent with the request as a form, if the program looks at it."""
    if expression_context.request is None or not prepared.mentions("POST"):
        return ()
    try:
        return await expression_context.request.form()
    except HttpError:
        return ()


def _line(prepared: PreparedProgram, outcome: Aborted) -> int | None:
    for line, column in reversed(outcome.frames):
        if (own := prepared.places.line(line, column - 1)) is not None:
            return own
    return None


def _unknown(what: str) -> None:
    # guard: A80 a trial asks nobody outside of this process
    raise Finish(Depends(what))


def _skip() -> None:
    raise Finish(SKIPPED)
