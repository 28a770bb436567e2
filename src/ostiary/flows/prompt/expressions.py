"""The expressions of prompts: native ones directly, others in the sandbox, once per challenge.

Their values are stored in the stage's scratch, so that a reload and the response use the same values, and reloads cost
nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ostiary.brands.select import select
from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.events.event import event
from ostiary.expressions import meaning_of
from ostiary.flows.people.subject_cache import subject_of
from ostiary.flows.prompt.field_values import VOCABULARY
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject, User
    from ostiary.flows.interface.stage_context import StageContext
    from ostiary.sandbox.evaluation.expression_context import ExpressionContext
    from ostiary.sandbox.evaluation.result import Evaluation
    from ostiary.store.database import Statement

_AGAIN: Final = 5_000_000  # microseconds for which an expression that failed is not run again


class NoAnswer(Exception):
    """The expression failed. The reason is in the log and an event, but not shown to the user."""


@dataclass(frozen=True, slots=True)
class PromptExpression:
    """An expression of a prompt: the prompt, the field, and the consequence if it fails."""

    pk: str
    name: str
    field: str
    text: str
    consequence: str

    @property
    def key(self) -> str:
        """The key of its value in the scratch."""
        return f"{self.pk}.{self.field}"

    @property
    def digest(self) -> str:
        """A hash of the text, so that a changed expression is evaluated again."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


class PromptExpressions:
    """The expressions of one stage and request. `kept` are their values, `writes` the statements of their effects."""

    def __init__(self, stage_context: StageContext, user: User | None) -> None:
        self._stage_context = stage_context
        self._user = user
        self.kept: dict[str, object] = dict(stage_context.scratch)
        self.writes: list[Statement] = []

    async def value(self, source: PromptExpression) -> object:
        """Return the value of an expression, as plain data. Raises NoAnswer."""
        meaning = meaning_of(source.text, VOCABULARY)
        if meaning is not None:
            return meaning.value(self._user)
        known = self.kept.get(source.key)
        if isinstance(known, Mapping) and known.get("of") == source.digest:
            if "value" in known:
                return known["value"]
            if self._stage_context.now - int(str(known.get("failed"))) < _AGAIN:
                raise NoAnswer
        return await self._run(source)

    async def _run(self, source: PromptExpression) -> object:
        from ostiary.sandbox.evaluation.errors import ExpressionFailed  # noqa: PLC0415 - not for those without expressions

        try:
            value = _named(await self._evaluated(source))
        except ExpressionFailed as error:
            self.kept[source.key] = {"of": source.digest, "failed": self._stage_context.now}
            self._note_failure(source, str(error))
            raise NoAnswer from None
        self.kept[source.key] = {"of": source.digest, "value": value}
        return value

    async def _evaluated(self, source: PromptExpression) -> object:
        """Evaluate an expression, and collect its effects. Raises ExpressionFailed."""
        from ostiary.sandbox.evaluation.errors import ExpressionFailed  # noqa: PLC0415 - as above
        from ostiary.sandbox.evaluation.expression_context import Expression  # noqa: PLC0415 - as above
        from ostiary.sandbox.language.names import PROMPT  # noqa: PLC0415 - as above

        stage_context = self._stage_context
        evaluator = stage_context.services.evaluator
        if evaluator is None:
            raise ExpressionFailed("expressions are not run here")
        expression = Expression(source.text, PROMPT, f"{source.field} of prompt {source.name}")
        found = await evaluator.evaluate(expression, await self._expression_context(source))
        if found.depends:
            raise ExpressionFailed(f"depends on {found.depends}")
        self._note_effects(source, found)
        return found.value

    async def _expression_context(self, source: PromptExpression) -> ExpressionContext:
        from ostiary.sandbox.evaluation.expression_context import ExpressionContext  # noqa: PLC0415 - as above

        stage_context = self._stage_context
        request = stage_context.request
        return ExpressionContext(
            subject=await self._subject(),
            now=stage_context.now,
            facts={"prompt_context": stage_context.mapping("prompt_data")},
            client_ip=stage_context.client,
            request=request,
            visitor=stage_context.session.user,
            brand=select(stage_context.snapshot, request.host).shown,
            bound={"_kind": "authentik_stages_prompt.prompt", "pk": source.pk, "name": source.name},
        )

    async def _subject(self) -> Subject | None:
        if self._user is None:
            return None
        return await subject_of(self._stage_context.services.users, self._stage_context.request, self._user.pk)

    def _note_effects(self, source: PromptExpression, found: Evaluation) -> None:
        from ostiary.sandbox.evaluation.effects import effect_statements, write_log  # noqa: PLC0415 - as above

        write_log(found.effects, f"{source.field} of prompt {source.name}")
        stage_context = self._stage_context
        self.writes += effect_statements(
            found.effects, user=self._who(), client_ip=stage_context.client, now=stage_context.now
        )

    def _note_failure(self, source: PromptExpression, reason: str) -> None:
        """Log the failure and write an event, at most once a minute, because anonymous users can open the page."""
        stage_context = self._stage_context
        first = log_not_evaluated(
            f"the {source.field} of prompt {source.name} ({source.pk})",
            reason=reason,
            consequence=source.consequence,
            now=stage_context.now,
        )
        # guard: A56 strangers write one event a minute about an expression that fails
        if first:
            self.writes.append(
                event(
                    "property_mapping_exception",
                    user=self._who(),
                    app="authentik_stages_prompt",
                    context={"prompt": source.pk, "name": source.name, "field": source.field, "message": reason},
                    client_ip=stage_context.client,
                    now=stage_context.now,
                )
            )

    def _who(self) -> Mapping[str, object] | None:
        return None if self._user is None else self._user.who


def _named(value: object) -> object:
    """Return a value with objects replaced by their names."""
    from ostiary.sandbox.evaluation.object_fields import ObjectReference  # noqa: PLC0415 - as above

    if isinstance(value, ObjectReference):
        return value.name
    if isinstance(value, Mapping):
        return {name: _named(item) for name, item in value.items()}
    return [_named(item) for item in value] if isinstance(value, list) else value
