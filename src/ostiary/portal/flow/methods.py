"""The ways to prove a second factor, as the page offers them: one at a time, the others as links."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from ostiary.portal import redirects
from ostiary.record import dataclass
from ostiary.web.request import Request

PARAMETER: Final = "method"


@dataclass(frozen=True, slots=True)
class Method:
    """One device class: the hidden value that names the device, and the words around the code field."""

    device_class: str
    value: str
    label: str
    text: str
    link: str
    url: str
    numeric: bool


@dataclass(frozen=True, slots=True)
class _Words:
    label: str
    text: str
    link: str
    numeric: bool


def _words(translate: Callable[[str], str]) -> Mapping[str, _Words]:
    _ = translate
    return {
        "totp": _Words(
            _("Code"), _("Enter the code your authenticator app shows."), _("Use an authenticator app"), numeric=True
        ),
        "static": _Words(
            _("Recovery code"), _("Enter one of your recovery codes."), _("Use a recovery code"), numeric=False
        ),
    }


def factor_names(translate: Callable[[str], str]) -> Mapping[str, str]:
    """Return what the classes of second factors are called."""
    _ = translate
    return {
        "totp": _("Authenticator app"),
        "static": _("Recovery codes"),
        "webauthn": _("Passkey or security key"),
        "duo": _("Duo"),
        "sms": _("Text message"),
        "email": _("E-mail"),
    }


def stage_names(translate: Callable[[str], str]) -> Mapping[str, str]:
    """Return what enrolment stages are called on a page, by their `meta_model_name`."""
    names = factor_names(translate)
    return {f"authentik_stages_authenticator_{key}.authenticator{key}stage": name for key, name in names.items()}


def methods(
    challenges: object, request: Request, translate: Callable[[str], str]
) -> tuple[Method | None, Sequence[Method]]:
    """Return the method to show and the others. The person chooses by the query; the first is shown else."""
    words = _words(translate)
    offered: dict[str, Method] = {}
    for one in challenges if isinstance(challenges, Sequence) else ():
        kind = str(one.get("device_class")) if isinstance(one, Mapping) else ""
        if kind in words and kind not in offered:
            said = words[kind]
            offered[kind] = Method(
                device_class=kind,
                value=f"{kind}:{one.get('device_uid')}",
                label=said.label,
                text=said.text,
                link=said.link,
                url=_url(request, kind),
                numeric=said.numeric,
            )
    # The app comes before the codes of last resort, whatever the order of the devices.
    ordered = sorted(offered.values(), key=lambda method: list(words).index(method.device_class))
    shown = offered.get(request.query_one(PARAMETER) or "", ordered[0] if ordered else None)
    return shown, [method for method in ordered if method is not shown]


def _url(request: Request, kind: str) -> str:
    pairs = [pair for pair in request.query_pairs() if pair[0] not in {PARAMETER, redirects.MARK}]
    return f"{request.prefix}{request.path}?{urlencode([*pairs, (PARAMETER, kind)])}"
