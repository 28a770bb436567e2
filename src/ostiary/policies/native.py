"""Native functions for the stock expressions, by the hash of their syntax tree."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.expressions import expression_hash
from ostiary.policies.errors import PolicyError
from ostiary.policies.policy_request import PolicyRequest, PolicyResult
from ostiary.policies.stock import SOURCES

NativePolicy = Callable[[PolicyRequest], PolicyResult]

SETUP_TOKEN: Final = "setup_token"  # noqa: S105 - the key of the plan context that only the wizard has
_USUALLY_CHANGEABLE: Final = MappingProxyType({"email": False, "name": True, "username": False})


def _password_not_proven(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult("user_backend" not in policy_request.context.facts)


def _not_passwordless(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult(policy_request.context.facts.get("auth_method") != "auth_webauthn_pwl")


def _is_sso(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult(policy_request.context.is_sso)


def _username_missing(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult(not _prompt_data(policy_request).get("username"))


def _own_changes_allowed(policy_request: PolicyRequest) -> PolicyResult:
    subject = policy_request.subject
    if subject is None:
        return PolicyResult(passing=False)
    for name, usual in _USUALLY_CHANGEABLE.items():
        wanted = _prompt_data(policy_request).get(name)
        changed = wanted is not None and wanted != getattr(subject.user, name)
        if changed and not subject.attributes.get(f"goauthentik.io/user/can-change-{name}", usual):
            return PolicyResult(passing=False, messages=(f"You are not allowed to change this: {name}",))
    return PolicyResult(passing=True)


def _wizard(policy_request: PolicyRequest) -> PolicyResult:
    """Pass only in the wizard. Its one-time link is verified before any stage (flows.wizard)."""
    return PolicyResult(SETUP_TOKEN in policy_request.context.facts)


def _restored(policy_request: PolicyRequest) -> PolicyResult:
    """Pass after a link by mail, and in flows without one."""
    return PolicyResult(bool(policy_request.context.facts.get("is_restored", True)))


def _not_restored(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult(not policy_request.context.facts.get("is_restored", False))


def _not_app_password(policy_request: PolicyRequest) -> PolicyResult:
    return PolicyResult(policy_request.context.facts.get("auth_method") != "app_password")


def _surely_not_app_password(policy_request: PolicyRequest) -> PolicyResult:
    if "auth_method" not in policy_request.context.facts:
        raise PolicyError("nobody has proved a password yet")
    return _not_app_password(policy_request)


def _prompt_data(policy_request: PolicyRequest) -> Mapping[str, object]:
    data = policy_request.context.facts.get("prompt_data")
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
"""The functions by the name of the default policy."""


AUTHENTIK: Final[Mapping[str, NativePolicy]] = MappingProxyType(
    {
        "625bc8b6f8c0a47a6f096c085fbb4426e368914cd7dcde8d11c97cd6f3476753": _password_not_proven,
        "cf9cfca7c6f2ddf4b48c242a62bc889c2ce16acb91f51ab49c63798b7857607e": _not_passwordless,
        "b2b1cc745574f46345c62d7000c350a544377dc3a349c566e645ae31d6672a5b": _username_missing,
        "ad100de64438399b43f2ea84edd4aac7ea1c1314c41e019f002f0eeb0dd0f3a9": _own_changes_allowed,
        "3cf5cad67429b2bcd85bff30a1ff9a340ca7ba6892544a4cd76df2d9c4aace93": _wizard,
        "8c19dcd16d0ebdab32e7ff484ef87d105d29f45aa715c61f5df10314b42ccadd": _wizard,
        "c0dc9bd7f172e11f3a527e82e2b15df8eaaf4c18113d28292fcf865caa7273a8": _wizard,
        "e2c4a38b132d1e7407dbc93a9fc78735c0df4e1ec04b31f76c08c50a983ff19d": _restored,
        "a2a1b4b7c7c2c5ef395fd729aa939f5648e21776a9f7c0979f0e75e5411b02b8": _not_restored,
        "57aaf4594dcd93716a2dab085278f45d8c744429e4782c815bea5e681a5da17d": _not_app_password,
        "65b423807ec329430fd0975c4053f40ea9591946575a63cabf0e816c64ab865b": _surely_not_app_password,
    }
)
"""The functions by the hash of authentik's own expressions, as in exported configurations and its examples."""


@functools.cache
def native_policies() -> Mapping[str, NativePolicy]:
    """Return the functions by the hash of their expression."""
    shipped = {expression_hash(SOURCES[name]): run for name, run in FUNCTIONS.items()}
    return MappingProxyType({**AUTHENTIK, **shipped})
