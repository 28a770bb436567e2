"""The prompt: one field of a form that an administrator defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from ostiary.expressions import can_evaluate
from ostiary.flows.prompt.field_values import VOCABULARY
from ostiary.flows.prompt.validation import SERVER_SIDE
from ostiary.resource import MULTILINE, UNIQUE, Help, Length, Problem, Range, Resource, kind
from ostiary.store.configuration.snapshot import Snapshot

if TYPE_CHECKING:
    from ostiary.sandbox.language.fault import LanguageFault

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


def _validate_prompt(prompt: Prompt) -> Iterable[Problem]:
    for name, faults in _faults(prompt):
        yield from (Problem(name, str(fault)) for fault in faults if fault.fatal)


def _advise_prompt(prompt: Prompt) -> Iterable[Problem]:
    for name, faults in _faults(prompt):
        for fault in faults:
            if not fault.fatal:
                yield Problem(name, f"{fault}; when it gets there, {consequence_of(prompt, name)}")


@kind(
    "authentik_stages_prompt.prompt",
    verbose_name="Prompt",
    component="ak-prompt-form",
    routes="stages/prompt/prompts",
    check=_validate_prompt,
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


def consequence_of(prompt: Prompt, name: str) -> str:
    """Return the consequence if the expression in that field fails."""
    if name == "initial_value" and prompt.type in SERVER_SIDE:
        return "answers to its form are refused"
    return "there is nothing to choose" if prompt.type in CHOOSING and name == "placeholder" else "nothing is shown"


CHOOSING = frozenset({"dropdown", "radio-button-group"})
"""Types whose placeholder has the choices."""


def with_files(snapshot: Snapshot) -> frozenset[str]:
    """Return the primary keys of the prompts that ask for a file."""
    return snapshot.memo(
        "flows.file_prompts", lambda: frozenset(str(one.pk) for one in snapshot.where(Prompt, type="file"))
    )


def _faults(prompt: Prompt) -> Iterator[tuple[str, Sequence[LanguageFault]]]:
    expressions = (
        ("placeholder", prompt.placeholder, prompt.placeholder_expression),
        ("initial_value", prompt.initial_value, prompt.initial_value_expression),
    )
    for name, source, is_expression in expressions:
        if is_expression and not can_evaluate(source, VOCABULARY):
            from ostiary.sandbox.language.names import PROMPT  # noqa: PLC0415 - not for those without expressions
            from ostiary.sandbox.language.program import check  # noqa: PLC0415 - as above

            yield name, check(source, PROMPT)
