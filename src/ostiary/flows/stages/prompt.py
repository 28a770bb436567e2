"""The prompt stage: a form that an administrator defines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, Verdict, Wrong
from ostiary.flows.plans.context_changes import allowed_changes
from ostiary.flows.plans.requirement import policy_context
from ostiary.flows.prompt.field import Prompt
from ostiary.flows.prompt.form import PromptForm
from ostiary.flows.prompt.page import harmless, page_values
from ostiary.flows.prompt.password_rules import with_password_rules
from ostiary.flows.prompt.validation import Missing, NotValid
from ostiary.flows.resources import STAGE, Stage
from ostiary.policies.decide import decide_policies
from ostiary.resource import OnDelete, Reference, kind

if TYPE_CHECKING:
    from ostiary.store.configuration.snapshot import Snapshot
    from ostiary.store.database import Statement

_PAIR: Final = 2  # passwords that have to be the same


@kind(
    "authentik_stages_prompt.promptstage",
    verbose_name="Prompt Stage",
    component="ak-stage-prompt-form",
    routes="stages/prompt/stages",
    families=(STAGE,),
)
class PromptStage(Stage):
    """Shows its fields in their order."""

    COMPONENT: ClassVar[str] = "ak-stage-prompt"
    PAGE: ClassVar[ChallengePage] = ChallengePage(template="stages/prompt.html", values=page_values, refilled=harmless)

    fields: Annotated[tuple[str, ...], Reference("authentik_stages_prompt.prompt", OnDelete.PROTECT)]
    validation_policies: Annotated[tuple[str, ...], Reference("authentik_policies.policy", OnDelete.SET_NULL)] = ()

    def sets_password(self, snapshot: Snapshot) -> bool:
        """Return whether one of the fields is a password."""
        prompts = (snapshot.get(Prompt, field) for field in self.fields)
        return any(prompt is not None and prompt.type == "password" for prompt in prompts)

    async def open(self, stage_context: StageContext) -> Verdict:
        """Show the fields in their order."""
        form = await self._form(stage_context)
        fields = with_password_rules(await form.shown(), self.validation_policies, stage_context.snapshot)
        ran = form.expressions
        return Ask({"fields": fields}, scratch=ran.kept, person=False, writes=tuple(ran.writes))

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Validate each field, then the passwords, then the validation policies. All must pass."""
        form = await self._form(stage_context)
        values: dict[str, object] = {}
        errors: dict[str, list[ErrorDetail]] = {}
        prompts = [one for one in self._prompts(stage_context) if one.type != "separator"]
        for one in prompts:
            try:
                values[one.field_key] = await form.judged(one, answer.get(one.field_key))
            except NotValid as error:
                code = "required" if isinstance(error, Missing) else "invalid"
                place = (
                    one.field_key if one.type not in {"hidden", "static"} else "non_field_errors"
                )  # what nobody sees says nothing
                errors.setdefault(place, []).append(ErrorDetail(str(error), code))
        passwords = [values.get(one.field_key) for one in prompts if one.type == "password"]
        if not errors and len(passwords) == _PAIR and passwords[0] != passwords[1]:
            errors["non_field_errors"] = [ErrorDetail("The two passwords are not the same.")]
        writes = tuple(form.expressions.writes)
        if errors:
            return Wrong(errors, scratch=form.expressions.kept, writes=writes)
        data = {**stage_context.mapping("prompt_data"), **values}
        return await self._validated(stage_context, data, form.expressions.kept, writes)

    async def _validated(
        self,
        stage_context: StageContext,
        data: Mapping[str, object],
        kept: Mapping[str, object],
        writes: tuple[Statement, ...],
    ) -> Verdict:
        if not self.validation_policies:
            return Done(context={"prompt_data": data}, writes=writes, unread=True)
        user = await pending_user(stage_context)
        decision = await decide_policies(
            self.validation_policies,
            subject=await stage_context.services.users.subject(user.pk) if user is not None else None,
            snapshot=stage_context.snapshot,
            context=policy_context(
                {**stage_context.context, "prompt_data": data},
                request=stage_context.request,
                now=stage_context.now,
                services=stage_context.services.policy_services,
                visitor=stage_context.session.user,
            ),
            target_pk=str(self.pk),
        )
        writes = (*writes, *decision.events)
        if decision.passing:
            changes = allowed_changes(decision.changes, {**stage_context.context, "prompt_data": data})
            context = {"prompt_data": data, **changes.put}
            return Done(context=context, drop=changes.drop, writes=writes, unread=True)
        messages = decision.messages or ("These answers are not allowed.",)
        return Wrong({"non_field_errors": [ErrorDetail(one) for one in messages]}, scratch=kept, writes=writes)

    async def _form(self, stage_context: StageContext) -> PromptForm:
        return PromptForm(self._prompts(stage_context), stage_context, await pending_user(stage_context))

    def _prompts(self, stage_context: StageContext) -> list[Prompt]:
        prompts = [one for pk in self.fields if (one := stage_context.snapshot.get(Prompt, pk)) is not None]
        prompts = [one for one in prompts if stage_context.behaviour.asks(stage_context, one.field_key)]
        return sorted(prompts, key=lambda one: (one.order, one.name))
