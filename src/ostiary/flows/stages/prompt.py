"""The prompt stage: a form of the administrator's own making."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from ostiary.events.evaluation_log import log_not_evaluated
from ostiary.flows.challenge_page import ChallengePage
from ostiary.flows.error_detail import ErrorDetail
from ostiary.flows.interface.pending_user import pending_user
from ostiary.flows.interface.stage_context import Ask, Done, StageContext, Verdict, Wrong
from ostiary.flows.plans.changes import allowed_changes
from ostiary.flows.plans.requirement import policy_context
from ostiary.flows.prompt.answers import SERVER_SIDE, Missing, NotValid, judge
from ostiary.flows.prompt.page import harmless, page_values
from ostiary.flows.prompt.values import choices_of, is_understood, value_of
from ostiary.flows.resources import STAGE, Stage
from ostiary.policies.decide import decide_policies
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, OnDelete, Problem, Range, Reference, Resource, kind

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.store.configuration.snapshot import Snapshot

PromptType = Literal[
    "text",
    "text_area",
    "text_read_only",
    "text_area_read_only",
    "username",
    "email",
    "password",
    "number",
    "checkbox",
    "radio-button-group",
    "dropdown",
    "date",
    "date-time",
    "file",
    "separator",
    "hidden",
    "static",
    "ak-locale",
]


SERVER_SIDE_LOST: Final = (
    "The value of this field cannot be worked out here. Tell whoever runs this service; the log names it."
)


def _advise_prompt(prompt: Prompt) -> Iterable[Problem]:
    for name in _lost(prompt):
        effect = "these answers are refused" if prompt.type in SERVER_SIDE else "nothing is shown"
        yield Problem(name, f"is stored, but its expression cannot be evaluated by this version: {effect}")


@kind(
    "authentik_stages_prompt.prompt",
    verbose_name="Prompt",
    component="ak-prompt-form",
    routes="stages/prompt/prompts",
    advise=_advise_prompt,
)
class Prompt(Resource):
    """One field of such a form."""

    name: Annotated[str, UNIQUE, Length(least=1)]
    field_key: Annotated[str, Length(least=1, most=200), Help("Name under which later stages find the answer.")]
    label: str
    type: PromptType
    required: bool = True
    placeholder: Annotated[str, MULTILINE] = ""
    initial_value: Annotated[str, MULTILINE] = ""
    order: Annotated[int, Range(-(2**31), 2**31 - 1)] = 0
    sub_text: Annotated[str, MULTILINE] = ""
    placeholder_expression: bool = False
    initial_value_expression: bool = False


@kind(
    "authentik_stages_prompt.promptstage",
    verbose_name="Prompt Stage",
    component="ak-stage-prompt-form",
    routes="stages/prompt/stages",
    families=(STAGE,),
)
class PromptStage(Stage):
    """Asks its fields in their order."""

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
        user = await pending_user(stage_context)
        return Ask({"fields": [_shown(one, stage_context, user) for one in self._prompts(stage_context)]}, person=False)

    async def answer(self, stage_context: StageContext, answer: Mapping[str, object]) -> Verdict:
        """Judge each field, then the passwords together, then the validation policies; all of it must hold."""
        user = await pending_user(stage_context)
        values: dict[str, object] = {}
        errors: dict[str, list[ErrorDetail]] = {}
        prompts = self._prompts(stage_context)
        for one in prompts:
            if one.type == "separator":
                continue
            try:
                values[one.field_key] = await _judged(one, stage_context, user, answer.get(one.field_key))
            except NotValid as error:
                code = "required" if isinstance(error, Missing) else "invalid"
                place = (
                    one.field_key if one.type not in {"hidden", "static"} else "non_field_errors"
                )  # what nobody sees says nothing
                errors.setdefault(place, []).append(ErrorDetail(str(error), code))
        passwords = {values.get(one.field_key) for one in prompts if one.type == "password"}
        if not errors and len(passwords) > 1:
            errors["non_field_errors"] = [ErrorDetail("The two passwords are not the same.")]
        data = {**stage_context.mapping("prompt_data"), **values}
        if errors:
            return Wrong(errors)
        return await self._validated(stage_context, data)

    async def _validated(self, stage_context: StageContext, data: Mapping[str, object]) -> Verdict:
        if not self.validation_policies:
            return Done(context={"prompt_data": data})
        user = await pending_user(stage_context)
        decision = await decide_policies(
            self.validation_policies,
            subject=await stage_context.services.users.subject(user.pk) if user is not None else None,
            snapshot=stage_context.snapshot,
            context=policy_context(
                {**stage_context.context, "prompt_data": data},
                request=stage_context.request,
                now=stage_context.now,
                evaluator=stage_context.services.evaluator,
            ),
            target_pk=str(self.pk),
        )
        if decision.passing:
            changes = allowed_changes(decision.changes, {**stage_context.context, "prompt_data": data})
            context = {"prompt_data": data, **changes.put}
            return Done(context=context, drop=changes.drop, writes=decision.events, unread=True)
        messages = decision.messages or ("These answers are not allowed.",)
        return Wrong({"non_field_errors": [ErrorDetail(one) for one in messages]}, writes=decision.events)

    def _prompts(self, stage_context: StageContext) -> list[Prompt]:
        prompts = [one for pk in self.fields if (one := stage_context.snapshot.get(Prompt, pk)) is not None]
        prompts = [one for one in prompts if stage_context.behaviour.asks(stage_context, one.field_key)]
        return sorted(prompts, key=lambda one: (one.order, one.name))


def _lost(prompt: Prompt) -> list[str]:
    """Return the fields whose expression cannot be evaluated."""
    expressions = (
        ("placeholder", prompt.placeholder, prompt.placeholder_expression),
        ("initial_value", prompt.initial_value, prompt.initial_value_expression),
    )
    return [name for name, source, is_expression in expressions if is_expression and not is_understood(source)]


def _log_lost(prompt: Prompt, stage_context: StageContext) -> None:
    for name in _lost(prompt):
        log_not_evaluated(
            f"the {name} of prompt {prompt.name} ({prompt.pk})",
            reason="expressions of your own are not available yet",
            consequence="these answers are refused" if prompt.type in SERVER_SIDE else "nothing is shown",
            now=stage_context.now,
        )


def _shown(prompt: Prompt, stage_context: StageContext, user: User | None) -> dict[str, object]:
    """Return one field as the challenge has it (StagePrompt)."""
    _log_lost(prompt, stage_context)
    choices = _choices(prompt, stage_context, user)
    initial = _initial(prompt, stage_context, user)
    placeholder = value_of(prompt.placeholder, is_expression=prompt.placeholder_expression, user=user)
    return {
        "field_key": prompt.field_key,
        "label": prompt.label,
        "type": prompt.type,
        "required": prompt.required,
        "placeholder": placeholder if choices is None and isinstance(placeholder, str) else "",
        "initial_value": "" if prompt.type == "password" else initial,
        "order": prompt.order,
        "sub_text": prompt.sub_text,
        "choices": choices,
    }


def _initial(prompt: Prompt, stage_context: StageContext, user: User | None) -> str:
    """Return what the field begins with: an answer given earlier in the flow, else its own initial value."""
    earlier = stage_context.mapping("prompt_data").get(prompt.field_key)
    if isinstance(earlier, str):
        return earlier
    value = value_of(prompt.initial_value, is_expression=prompt.initial_value_expression, user=user)
    return value if isinstance(value, str) else ""


def _choices(prompt: Prompt, stage_context: StageContext, user: User | None) -> list[dict[str, str]] | None:
    if prompt.type not in {"dropdown", "radio-button-group"}:
        return None
    given = stage_context.mapping("prompt_data").get(f"{prompt.field_key}__choices")
    if given is None:
        given = value_of(prompt.placeholder, is_expression=prompt.placeholder_expression, user=user)
    return choices_of(given)


async def _judged(prompt: Prompt, stage_context: StageContext, user: User | None, raw: object) -> object:
    """Return the value of one field. Raises NotValid."""
    # guard: A52 server-side prompt values are not accepted from the client
    if prompt.type in SERVER_SIDE:
        if "initial_value" in _lost(prompt) and not isinstance(
            stage_context.mapping("prompt_data").get(prompt.field_key), str
        ):
            raise NotValid(SERVER_SIDE_LOST)  # a wrong value of the server's own must not be written
        return _initial(prompt, stage_context, user)
    try:
        judged = stage_context.behaviour.judge(stage_context, prompt.field_key, raw)
    except ValueError as error:
        raise NotValid(str(error)) from error
    if judged is not None:
        return judged
    choices = [one["value"] for one in _choices(prompt, stage_context, user) or ()]
    value = judge(prompt.type, raw, required=prompt.required, choices=choices)
    if prompt.type == "username" and isinstance(value, str) and value:
        holder = await stage_context.services.users.by_username(value)
        if holder is not None and (user is None or holder.pk != user.pk):
            raise NotValid("This user name is taken.")
    return value
