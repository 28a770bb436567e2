"""What a form sends, as the flow engine takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.record import dataclass
from ostiary.web.parameters import unique

_OWN: Final = ("_component", "_ticket", "_form_token")
_CHECKBOX: Final = "_checkbox"  # names the boxes: a browser does not send one that is not ticked


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that came back: our own hidden fields, and the others; a box is True or False."""

    ticket: str
    form_token: str
    fields: dict[str, object]


def read_form(pairs: Sequence[tuple[str, str]]) -> Sent:
    """Return the form. Raises BadRequest when a field comes twice."""
    boxes = [value for name, value in pairs if name == _CHECKBOX]
    fields = unique(pair for pair in pairs if pair[0] != _CHECKBOX)
    component, ticket, token = (fields.pop(name, "") for name in _OWN)
    answer = {**fields, **{name: name in fields for name in boxes}}
    return Sent(ticket, token, {"component": component, **answer})
