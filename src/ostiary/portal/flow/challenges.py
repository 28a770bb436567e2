"""A challenge as a page: its template, and the values of that template. Stages bring theirs (`Stage.PAGE`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from ostiary.brands.pictures import picture
from ostiary.flows.challenge_page import ChallengePage, PageContext, Translate
from ostiary.flows.error_detail import Errors
from ostiary.flows.run.outcome import Challenge
from ostiary.portal.autosubmit import submit_policy
from ostiary.portal.flow.interpolation import translate_interpolated
from ostiary.portal.page_cache import Placeholders
from ostiary.portal.redirects import host_of
from ostiary.web.request import Request


def _autosubmit_values(page: PageContext) -> Mapping[str, object]:
    title, url = page.fields.get("title"), _text(page.fields, "url")
    return {"title": page.translate(str(title) if title else "One moment"), "target": host_of(url)}


def _autosubmit_policy(fields: Mapping[str, object]) -> str:
    return submit_policy(_text(fields, "url"))


_WITHOUT_STAGE: Final[Mapping[str, ChallengePage]] = {
    "ak-stage-autosubmit": ChallengePage(
        template="stages/autosubmit.html", values=_autosubmit_values, policy=_autosubmit_policy
    ),
    "ak-stage-flow-error": ChallengePage(template="stages/flow_error.html"),
    "xak-flow-shell": ChallengePage(template="stages/shell.html"),
}
"""The pages of challenges that are no stage's."""


def page_of(challenge: Challenge) -> ChallengePage:
    """Return how a challenge is shown."""
    return _WITHOUT_STAGE.get(challenge.component, challenge.page)


def marked_challenge(challenge: Challenge, slots: Placeholders) -> Challenge:
    """Return the challenge, which has no errors, with marks for what belongs to one person or to one showing."""
    fields = dict(challenge.fields)
    if picture(_text(fields, "pending_user_avatar")):  # without one, the page shows the first letter of the name
        fields["pending_user"] = slots.mark("person", _text(fields, "pending_user"))
        del fields["pending_user_avatar"]
    passkey = fields.get("passkey_challenge")
    if isinstance(passkey, Mapping):
        drawn = slots.mark("passkey", _text(passkey, "challenge"))
        fields["passkey_challenge"] = {**passkey, "challenge": drawn}
    if "token" in fields:
        fields["token"] = slots.mark("token", _text(fields, "token"))
    info = challenge.flow_info
    cancel = slots.mark("cancel", info.cancel_url)
    return dataclasses.replace(challenge, fields=fields, flow_info=dataclasses.replace(info, cancel_url=cancel))


def page_values(
    challenge: Challenge, *, request: Request, errors: Errors, typed: Mapping[str, str], translate: Translate
) -> dict[str, Any]:
    """Return the values of the template of a challenge, without those of the form around it.

    `typed` is what the person typed before, where the form came back with `errors`.
    """
    fields, page = challenge.fields, page_of(challenge)
    interpolate = partial(translate_interpolated, translate=translate)
    context = PageContext(
        request=request,
        fields=fields,
        notes=challenge.notes,
        typed=typed,
        focus=not errors,
        translate=translate,
        interpolate=interpolate,
    )
    return {
        "component": challenge.component,
        "application": challenge.application,
        "back": page.back,
        "c": fields,
        "title": interpolate(challenge.flow_info.title),
        "layout": challenge.flow_info.layout,
        "cancel_url": challenge.flow_info.cancel_url,
        "wallpaper": picture(challenge.flow_info.background),
        "avatar": picture(_text(fields, "pending_user_avatar")),
        "initial": _text(fields, "pending_user")[:1],
        "values": typed,
        "labels": {},
        "errors": {name: [interpolate(one.string) for one in details] for name, details in errors.items()},
        **page.values(context),
    }


def _text(fields: Mapping[str, object], name: str) -> str:
    return str(fields.get(name) or "")
