"""The page of the second factor: one kind of device at a time, the others as links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.directory.authenticators.authenticator import Authenticator
from ostiary.flows.challenge_page import METHOD, ChallengePage
from ostiary.flows.proofs.passkeys import CLASS, read_json
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.flows.challenge_page import PageContext

KINDS: Final = "kinds"
"""Key of the challenge's notes: the kinds of authenticators by device class."""
STAGE_NAMES: Final = "stage_names"
"""Key of the challenge's notes: the devices of set-up stages, by `meta_model_name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One device class on the page: the hidden value that names its device, and the words around its part.

    `challenge` is the member `challenge` of its JSON.
    """

    device_class: str
    value: str
    heading: str
    label: str
    text: str
    link: str
    url: str
    numeric: bool
    template: str
    challenge: Mapping[str, object]


def _values(page: PageContext) -> Mapping[str, object]:
    method, others = _methods(page)
    names = page.notes.get(STAGE_NAMES)
    named = names if isinstance(names, Mapping) else {}
    return {
        "method": method,
        "others": others,
        "stage_names": {kind: page.translate(name) for kind, name in named.items()},
    }


def _methods(page: PageContext) -> tuple[Method | None, Sequence[Method]]:
    """Return the method to show and the others. The query selects it; the default is the first."""
    challenges, kinds = page.fields.get("device_challenges"), page.notes.get(KINDS)
    by_class = {
        str(one.get("device_class")): one
        for one in (challenges if isinstance(challenges, Sequence) else ())
        if isinstance(one, Mapping)
    }
    offered = {
        name: _method(page, kind, by_class[name])
        for name, kind in (kinds.items() if isinstance(kinds, Mapping) else ())
        if name in by_class and isinstance(kind, Authenticator)
    }
    first = next(iter(offered.values()), None)
    shown = offered.get(page.request.query_one(METHOD) or "", first)
    return shown, [method for method in offered.values() if method is not shown]


def _method(page: PageContext, kind: Authenticator, challenge: Mapping[str, object]) -> Method:
    public = challenge.get("challenge")
    return Method(
        device_class=kind.DEVICE_CLASS,
        value=f"{kind.DEVICE_CLASS}:{challenge.get('device_uid')}",
        heading=page.translate(kind.WORDING.heading) if kind.WORDING.heading else "",
        label=page.translate(kind.WORDING.label),
        text=page.translate(kind.WORDING.instruction),
        link=page.translate(kind.WORDING.link),
        url=page.address(without=(METHOD,), add=((METHOD, kind.DEVICE_CLASS),)),
        numeric=kind.NUMERIC,
        template=kind.TEMPLATE,
        challenge=public if isinstance(public, Mapping) else {},
    )


def _read_form(form: Mapping[str, object]) -> Mapping[str, object]:
    chosen = form.get("selected_challenge")
    if not isinstance(chosen, str):
        return form
    device_class, _, device_uid = chosen.partition(":")
    selected = {"device_class": device_class, "device_uid": device_uid, "challenge": {}}
    answer = {**form, "selected_challenge": selected}
    return {**answer, CLASS: read_json(form[CLASS])} if CLASS in form else answer


PAGE: Final = ChallengePage(template="stages/authenticator_validate.html", values=_values, read=_read_form, back=True)
