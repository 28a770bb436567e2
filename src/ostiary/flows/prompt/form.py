"""The form of a prompt stage in one request: its fields, and the values of responses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from ostiary.flows.prompt.expressions import NoAnswer, PromptExpression, PromptExpressions
from ostiary.flows.prompt.field import CHOOSING, consequence_of
from ostiary.flows.prompt.field_values import choices_of
from ostiary.flows.prompt.validation import SERVER_SIDE, NotValid, judge

if TYPE_CHECKING:
    from ostiary.directory.user import User
    from ostiary.flows.interface.stage_context import StageContext
    from ostiary.flows.prompt.field import Prompt
    from ostiary.flows.prompt.field_values import PromptChoice

SERVER_SIDE_LOST: Final = (
    "The value of this field cannot be worked out here. Tell whoever runs this service; the log names it."
)


class PromptForm:
    """The fields of a stage. `expressions` has the values and statements to store."""

    def __init__(self, prompts: Sequence[Prompt], stage_context: StageContext, user: User | None) -> None:
        self._prompts = prompts
        self._stage_context = stage_context
        self._user = user
        self._earlier = stage_context.mapping("prompt_data")
        self.expressions = PromptExpressions(stage_context, user)

    async def shown(self) -> list[dict[str, object]]:
        """Return the fields of the challenge (StagePrompt)."""
        return [await self._shown(prompt) for prompt in self._prompts]

    async def judged(self, prompt: Prompt, raw: object) -> object:
        """Return the validated value of a response. Raises NotValid."""
        # guard: A52 server-side prompt values are not accepted from the client
        if prompt.type in SERVER_SIDE:
            return await self._of_server(prompt)
        try:
            judged = self._stage_context.behaviour.judge(self._stage_context, prompt.field_key, raw)
        except ValueError as error:
            raise NotValid(str(error)) from error
        if judged is not None:
            return judged
        choices = {str(one.value): one.value for one in await self._choices(prompt)}
        value = judge(prompt.type, raw, required=prompt.required, choices=choices)
        if prompt.type == "username" and isinstance(value, str) and value:
            await self._require_free(value)
        return choices.get(value, value) if isinstance(value, str) else value

    async def _of_server(self, prompt: Prompt) -> object:
        try:
            return await self._initial(prompt)
        except NoAnswer:
            raise NotValid(SERVER_SIDE_LOST) from None  # a wrong value of the server's own must not be written

    async def _require_free(self, username: str) -> None:
        holder = await self._stage_context.services.users.by_username(username)
        if holder is not None and (self._user is None or holder.pk != self._user.pk):
            raise NotValid("This user name is taken.")

    async def _shown(self, prompt: Prompt) -> dict[str, object]:
        choices = await self._choices(prompt)
        return {
            "field_key": prompt.field_key,
            "label": prompt.label,
            "type": prompt.type,
            "required": prompt.required,
            "placeholder": "" if prompt.type in CHOOSING else await self._placeholder(prompt),
            "initial_value": await self._beginning(prompt, choices),
            "order": prompt.order,
            "sub_text": prompt.sub_text,
            "choices": [{"value": str(one.value), "label": one.label} for one in choices]
            if prompt.type in CHOOSING
            else None,
        }

    async def _placeholder(self, prompt: Prompt) -> str:
        try:
            return _text(await self._said(prompt, "placeholder"))
        except NoAnswer:
            return ""

    async def _beginning(self, prompt: Prompt, choices: Sequence[PromptChoice]) -> str:
        """Return the initial value as a text; for choices, one of them."""
        if prompt.type == "password":
            return ""
        try:
            text = _text(await self._initial(prompt))
        except NoAnswer:
            text = ""
        if prompt.type in CHOOSING and text not in {str(one.value) for one in choices}:
            return str(choices[0].value) if choices else ""
        return text

    async def _initial(self, prompt: Prompt) -> object:
        """Return the value entered earlier in the flow, else the field's initial value. Raises NoAnswer."""
        if prompt.field_key in self._earlier:
            return self._earlier[prompt.field_key]
        return await self._said(prompt, "initial_value")

    async def _choices(self, prompt: Prompt) -> Sequence[PromptChoice]:
        if prompt.type not in CHOOSING:
            return ()
        given = self._earlier.get(f"{prompt.field_key}__choices")
        if given is None:
            try:
                given = await self._said(prompt, "placeholder")
            except NoAnswer:
                return ()
        return choices_of(given)

    async def _said(self, prompt: Prompt, name: str) -> object:
        """Return the text of a field, or the value of its expression. Raises NoAnswer."""
        placeholder = name == "placeholder"
        text = prompt.placeholder if placeholder else prompt.initial_value
        if not (prompt.placeholder_expression if placeholder else prompt.initial_value_expression):
            return text
        source = PromptExpression(str(prompt.pk), prompt.name, name, text, consequence_of(prompt, name))
        value = await self.expressions.value(source)
        return "" if value is None else value


def _text(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, date) else str(value)
