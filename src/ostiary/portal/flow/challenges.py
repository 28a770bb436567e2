"""A challenge as a page: which template shows a component, and what that template needs beside its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ostiary.flows.error_detail import Errors
from ostiary.flows.proofs.password_check import TOO_MANY
from ostiary.flows.run.outcome import Challenge, FlowInfo
from ostiary.portal import redirects
from ostiary.portal.flow.interpolation import retell
from ostiary.portal.flow.methods import methods, stage_names
from ostiary.portal.flow.prompts import prompt_fields
from ostiary.portal.flow.qr import grouped, qr_svg, secret_of
from ostiary.portal.iframes import page_fields
from ostiary.portal.look import picture
from ostiary.portal.redirects import host_of
from ostiary.record import dataclass
from ostiary.web.page_cache import Placeholders
from ostiary.web.request import Request

TEMPLATES: Final = {
    "ak-stage-identification": "identification",
    "ak-stage-password": "password",
    "ak-stage-prompt": "prompt",
    "ak-stage-consent": "consent",
    "ak-stage-authenticator-validate": "authenticator_validate",
    "ak-stage-authenticator-totp": "authenticator_totp",
    "ak-stage-authenticator-static": "authenticator_static",
    "ak-stage-user-login": "user_login",
    "ak-stage-access-denied": "access_denied",
    "ak-stage-flow-error": "flow_error",
    "ak-stage-session-end": "session_end",
    "ak-provider-iframe-logout": "iframe_logout",
    "ak-provider-oauth2-device-code": "device_code",
    "ak-provider-oauth2-device-code-finish": "device_code_finish",
    "ak-stage-autosubmit": "autosubmit",
    "xak-flow-redirect": "redirect",
    "xak-flow-shell": "shell",
}
ENDS: Final = frozenset(
    {
        "ak-stage-access-denied",
        "ak-stage-flow-error",
        "ak-stage-session-end",
        "ak-provider-oauth2-device-code-finish",
        "xak-flow-shell",
    }
)
"""Components that ask nothing: the flow ended with them."""

ON_PLATES: Final = frozenset({"ak-stage-identification", "ak-stage-password", "ak-stage-consent"})
"""Components whose pages are kept as plates: what everybody sees, but for the slots of `marked_challenge`."""

_TURNING_BACK: Final = frozenset({"ak-stage-password", "ak-stage-authenticator-validate"})
"""Components whose page the browser's Back leaves as "Not you?" does: to the question before."""

Translate = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Showing:
    """What a component's own values are made from."""

    fields: Mapping[str, object]
    request: Request
    values: Mapping[str, str]
    fresh: bool  # no errors: the first field may take the focus
    translate: Translate


@dataclass(frozen=True, slots=True)
class Source:
    """A button that leads to an upstream source."""

    name: str
    icon: str
    promoted: bool
    url: str


def template_of(component: str) -> str:
    """Return the template of a component; one page says that a component is unknown here."""
    return f"stages/{TEMPLATES.get(component, 'unknown')}.html"


def marked_challenge(challenge: Challenge, slots: Placeholders) -> Challenge:
    """Return the challenge, which has no errors, with marks for what belongs to one person or to one showing."""
    fields = dict(challenge.fields)
    if picture(_text(fields, "pending_user_avatar")):  # without one, the page shows the first letter of the name
        fields["pending_user"] = slots.mark("person", _text(fields, "pending_user"))
        del fields["pending_user_avatar"]
    if "token" in fields:
        fields["token"] = slots.mark("token", _text(fields, "token"))
    info = challenge.flow_info
    cancel = slots.mark("cancel", info.cancel_url)
    return Challenge(
        component=challenge.component,
        fields=fields,
        flow_info=FlowInfo(title=info.title, layout=info.layout, cancel_url=cancel, background=info.background),
        ticket=challenge.ticket,
    )


def _text(fields: Mapping[str, object], name: str) -> str:
    return str(fields.get(name) or "")


def page_values(
    challenge: Challenge, *, request: Request, errors: Errors, values: Mapping[str, str], translate: Translate
) -> dict[str, Any]:
    """Return the values of the template of a challenge, without those of the form around it."""
    fields = challenge.fields
    own = _OWN.get(challenge.component)
    showing = Showing(fields, request, values, not errors, translate)
    return {
        "component": challenge.component,
        "application": challenge.application,
        "back": challenge.component in _TURNING_BACK,
        "c": fields,
        "title": retell(challenge.flow_info.title, translate),
        "layout": challenge.flow_info.layout,
        "cancel_url": challenge.flow_info.cancel_url,
        "wallpaper": picture(challenge.flow_info.background),
        "avatar": picture(str(fields.get("pending_user_avatar") or "")),
        "initial": _text(fields, "pending_user")[:1],
        "values": values,
        "labels": {},
        "errors": {name: [retell(one.string, translate) for one in details] for name, details in errors.items()},
        **(own(showing) if own is not None else {}),
    }


def _identification(showing: Showing) -> dict[str, object]:
    fields, translate = showing.fields, showing.translate
    label = _uid_label(fields.get("user_fields"), translate)
    return {
        "uid_label": label,
        "sources": [_source(one) for one in _mappings(fields.get("sources"))],
        "labels": {"uid_field": label, "password": translate("Password")},
    }


def _uid_label(user_fields: object, translate: Translate) -> str:
    _ = translate
    names = {"email": _("E-mail"), "username": _("Username"), "upn": _("Principal name")}
    kinds = [str(one) for one in user_fields] if isinstance(user_fields, Sequence) else []
    if {"email", "username"} <= set(kinds):
        return _("E-mail or username")
    return " / ".join(names.get(kind, kind) for kind in kinds)


def _source(one: Mapping[str, object]) -> Source:
    challenge = one.get("challenge")
    to = challenge.get("to") if isinstance(challenge, Mapping) else ""
    return Source(
        name=str(one.get("name") or ""),
        icon=picture(str(one.get("icon_url") or "")),
        promoted=bool(one.get("promoted")),
        url=str(to or ""),
    )


def _prompt(showing: Showing) -> dict[str, object]:
    fields = prompt_fields(
        showing.fields.get("fields"), values=showing.values, translate=showing.translate, focus=showing.fresh
    )
    return {"fields": fields, "labels": {one.name: one.label for one in fields}}


def _consent(showing: Showing) -> dict[str, object]:
    return {"header": retell(str(showing.fields.get("header_text") or ""), showing.translate)}


def _validate(showing: Showing) -> dict[str, object]:
    method, others = methods(showing.fields.get("device_challenges"), showing.request, showing.translate)
    return {"method": method, "others": others, "stage_names": stage_names(showing.translate)}


def _totp(showing: Showing) -> dict[str, object]:
    address = str(showing.fields.get("config_url") or "")
    secret = secret_of(address)
    return {
        "qr": qr_svg(address, showing.translate("QR code for your authenticator app")),
        "secret": grouped(secret),
        "secret_plain": secret,
    }


def _iframes(showing: Showing) -> dict[str, object]:
    return page_fields(showing.fields, showing.request)


def _autosubmit(showing: Showing) -> dict[str, object]:
    title, url = showing.fields.get("title"), str(showing.fields.get("url") or "")
    return {"title": showing.translate(str(title) if title else "One moment"), "target": host_of(url)}


def _mappings(raw: object) -> list[Mapping[str, object]]:
    return [one for one in raw if isinstance(one, Mapping)] if isinstance(raw, Sequence) else []


def _denied(showing: Showing) -> dict[str, object]:
    """Where a flow ended with a wrong password, its own address begins it again, and leads to where it was to lead."""
    wrong = showing.fields.get("error_message") == TOO_MANY
    return {"again": redirects.unmarked(showing.request) if wrong else ""}


_OWN: Final[Mapping[str, Callable[[Showing], dict[str, object]]]] = {
    "ak-stage-identification": _identification,
    "ak-stage-prompt": _prompt,
    "ak-stage-consent": _consent,
    "ak-stage-access-denied": _denied,
    "ak-stage-authenticator-validate": _validate,
    "ak-stage-authenticator-totp": _totp,
    "ak-stage-autosubmit": _autosubmit,
    "ak-provider-iframe-logout": _iframes,
}
