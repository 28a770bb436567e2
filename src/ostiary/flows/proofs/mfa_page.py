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
SET_UP: Final = "set_up"
"""Key of the challenge's notes: the kinds of authenticators that set-up stages add, by `meta_model_name`."""


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
    return {"method": method, "others": others, "choices": _choices(page)}


def _choices(page: PageContext) -> Sequence[Mapping[str, object]]:
    """Return what can be set up. Recovery codes are offered if there is nothing else: they are for later."""
    listed, known = page.fields.get("configuration_stages"), page.notes.get(SET_UP)
    stages = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, Sequence) else []
    kinds = known if isinstance(known, Mapping) else {}
    choices: list[Mapping[str, object]] = []
    reserve: list[Mapping[str, object]] = []
    for stage in stages:
        kind = kinds.get(stage.get("meta_model_name"))
        name = str(stage.get("verbose_name")) if kind is None else kind.WORDING.name
        choice = {"pk": stage.get("pk"), "name": page.translate(name)}
        (reserve if kind is not None and kind.RESERVE else choices).append(choice)
    return choices or reserve


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
