"""The stock expressions as functions, found by the hash of their syntax tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.policies.stock import SOURCES
from ostiary.policies.verdict import Question, Verdict
from ostiary.proto.expression_hash import NotPython, expression_hash

NativePolicy = Callable[[Question], Verdict]

_USUALLY_CHANGEABLE: Final = MappingProxyType({"email": False, "name": True, "username": False})


def _password_not_proven(question: Question) -> Verdict:
    return Verdict("user_backend" not in question.context.facts)


def _not_passwordless(question: Question) -> Verdict:
    return Verdict(question.context.facts.get("auth_method") != "auth_webauthn_pwl")


def _is_sso(question: Question) -> Verdict:
    return Verdict(question.context.is_sso)


def _username_missing(question: Question) -> Verdict:
    return Verdict(not _prompt_data(question).get("username"))


def _own_changes_allowed(question: Question) -> Verdict:
    subject = question.subject
    if subject is None:
        return Verdict(passing=False)
    for name, usual in _USUALLY_CHANGEABLE.items():
        wanted = _prompt_data(question).get(name)
        changed = wanted is not None and wanted != getattr(subject.user, name)
        if changed and not subject.attributes.get(f"goauthentik.io/user/can-change-{name}", usual):
            return Verdict(passing=False, messages=(f"You are not allowed to change this: {name}",))
    return Verdict(passing=True)


def _wizard(question: Question) -> Verdict:
    """Pass: whether the wizard is open is decided by its one-time link, before any stage (flows.wizard)."""
    del question
    return Verdict(passing=True)


def _prompt_data(question: Question) -> Mapping[str, object]:
    data = question.context.facts.get("prompt_data")
    return data if isinstance(data, Mapping) else {}


FUNCTIONS: Final[Mapping[str, NativePolicy]] = MappingProxyType(
    {
        "default-authentication-flow-password-stage": _password_not_proven,
        "default-authentication-flow-authenticator-validate-stage": _not_passwordless,
        "default-source-authentication-if-sso": _is_sso,
        "default-source-enrollment-if-sso": _is_sso,
        "default-source-enrollment-if-username": _username_missing,
        "default-user-settings-authorization": _own_changes_allowed,
        "default-oobe-password-usable": _wizard,
        "default-oobe-prefill-user": _wizard,
        "default-oobe-flow-set-authentication": _wizard,
    }
)
"""By the name of the default policy."""


AUTHENTIK: Final[Mapping[str, NativePolicy]] = MappingProxyType(
    {
        "625bc8b6f8c0a47a6f096c085fbb4426e368914cd7dcde8d11c97cd6f3476753": _password_not_proven,
        "b2b1cc745574f46345c62d7000c350a544377dc3a349c566e645ae31d6672a5b": _username_missing,
    }
)
"""Hashes of authentik's own wording of the same policies, as an exported configuration brings it."""


@functools.cache
def native_table() -> Mapping[str, NativePolicy]:
    """Return the functions by the hash of their expression."""
    shipped = {expression_hash(SOURCES[name]): run for name, run in FUNCTIONS.items()}
    return MappingProxyType({**AUTHENTIK, **shipped})


@functools.lru_cache(maxsize=512)
def find_native(source: str) -> NativePolicy | None:
    """Return the function for an expression that says the same as a stock one, whatever its layout and comments."""
    try:
        return native_table().get(expression_hash(source))
    except NotPython:
        return None
