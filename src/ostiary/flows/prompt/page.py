"""The page of a prompt stage: its fields for the template."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.challenge_page import PageContext

_TAGS: Final = re.compile(r"<[^>]*>")
_INPUT_TYPES: Final = {
    "email": "email",
    "password": "password",
    "number": "number",
    "date": "date",
    "date-time": "datetime-local",
}
_AUTOCOMPLETE: Final = {"username": "username", "email": "email", "password": "new-password"}
_UNTICKED: Final = frozenset({"", "false", "0", "off", "no"})
_DATE_TIME: Final = re.compile(r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}).*", re.DOTALL)
_SECRET: Final = frozenset({"password", "hidden", "file"})
_ASKING: Final = frozenset({"text", "username", "email", "password", "number", "date", "date-time", "text_area"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a drop-down list or of radio buttons."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class PromptField:
    """One field for the template. Texts are plain, without the markup of administrators."""

    name: str
    type: str
    input_type: str
    label: str
    value: str
    placeholder: str
    hint: str
    autocomplete: str
    required: bool
    focus: bool
    choices: tuple[Choice, ...]


def page_values(page: PageContext) -> Mapping[str, object]:
    """Return the fields and their labels."""
    fields = prompt_fields(page.fields.get("fields"), values=page.typed, translate=page.interpolate, focus=page.focus)
    return {"fields": fields, "labels": {one.name: one.label for one in fields}}


def harmless(fields: Mapping[str, object]) -> frozenset[str]:
    """Return the names of the fields without secrets."""
    prompts = fields.get("fields")
    return frozenset(
        _text(one.get("field_key"))
        for one in (prompts if isinstance(prompts, list | tuple) else ())
        if isinstance(one, Mapping) and one.get("type") not in _SECRET
    )


def prompt_fields(
    prompts: object, *, values: Mapping[str, str], translate: Callable[[str], str], focus: bool
) -> list[PromptField]:
    """Return the fields in the given order. `values` are those typed before. The first field gets the focus."""
    fields = []
    for one in prompts if isinstance(prompts, Sequence) else ():
        if isinstance(one, Mapping):
            fields.append(_field(one, values=values, translate=translate, focus=focus))
            focus = focus and fields[-1].type not in _ASKING
    return fields


def _field(
    one: Mapping[str, object], *, values: Mapping[str, str], translate: Callable[[str], str], focus: bool
) -> PromptField:
    name, kind = _text(one.get("field_key")), _text(one.get("type"))
    initial = one.get("initial_value")
    stated = _stated(kind, "" if initial is None or initial is False else _text(initial))
    if kind == "static":
        stated = translate(_plain(stated))
    return PromptField(
        name=name,
        type=kind,
        input_type=_INPUT_TYPES.get(kind, "text"),
        label=translate(_text(one.get("label"))),
        value="" if kind == "password" else values.get(name, stated),
        # A placeholder that repeats the label is useless, and confuses password managers.
        placeholder="" if one.get("placeholder") == one.get("label") else translate(_text(one.get("placeholder"))),
        hint=_hint(_plain(_text(one.get("sub_text"))), translate),
        autocomplete="name" if name == "name" and kind == "text" else _AUTOCOMPLETE.get(kind, "off"),
        required=bool(one.get("required")),
        focus=focus and kind in _ASKING,
        choices=tuple(_choices(one.get("choices"), translate)),
    )


def _stated(kind: str, text: str) -> str:
    """Return the initial value in the format of the browser."""
    if kind == "checkbox":
        return "" if text.strip().lower() in _UNTICKED else text
    return _DATE_TIME.sub(r"\1T\2", text, count=1) if kind == "date-time" else text


def _hint(text: str, translate: Callable[[str], str]) -> str:
    """Return the text below a field. Rules of a password stand on lines of their own, and are translated alone."""
    whole = translate(text)
    return " ".join(translate(line) for line in text.splitlines()) if whole == text else whole


def _choices(raw: object, translate: Callable[[str], str]) -> Sequence[Choice]:
    if not isinstance(raw, Sequence) or isinstance(raw, str):
        return ()
    return [
        Choice(_text(one.get("value")), translate(_text(one.get("label"))))
        if isinstance(one, Mapping)
        else Choice(_text(one), translate(_text(one)))
        for one in raw
    ]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _plain(markup: str) -> str:
    """Return a text without its markup. Pages show only our own HTML."""
    import html  # noqa: PLC0415 - only here, and it has every entity there is

    return html.unescape(_TAGS.sub("", markup)).strip()
