"""Stock scope mappings: the expressions of the shipped blueprint, and a native function for each.

An expression is recognised by the hash of its syntax tree, in any mapping; it never runs as Python. Each function names
its claims, because discovery lists them without a user.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ostiary.expressions import expression_hash
from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.user import Subject

NOTHING: Final = """\
# The scope stands for itself: it adds no claims.
return {}
"""
EMAIL: Final = """\
# Nobody has checked the address, so it is not called verified.
return {"email": request.user.email, "email_verified": False}
"""
PROFILE: Final = """\
# One field holds the whole name: it answers for the given name as well.
person = request.user
return {
    "name": person.name,
    "given_name": person.name,
    "preferred_username": person.username,
    "nickname": person.username,
    "groups": [group.name for group in person.groups.all()],
}
"""
ENTITLEMENTS: Final = """\
# Entitlements of this person in the application, under both names that applications look for.
held = [entitlement.name for entitlement in request.user.app_entitlements(provider.application)]
return {"entitlements": held, "roles": held}
"""
PROXY: Final = """\
# What the proxy needs beside the profile.
person = request.user
return {"ak_proxy": {"user_attributes": person.group_attributes(request), "is_superuser": person.is_superuser}}
"""
ADDRESS: Final = """\
# The postal address as one object (OpenID Connect Core 5.1.1): the attribute "address" of the person.
found = request.user.attributes.get("address")
return {"address": found} if isinstance(found, dict) and found else {}
"""
PHONE: Final = """\
# The attribute "phone" of the person. Nobody has called it, so it is not called verified.
found = request.user.attributes.get("phone")
return {"phone_number": found, "phone_number_verified": False} if isinstance(found, str) and found else {}
"""

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class NativeMapping:
    """A stock mapping as a function of the user."""

    claims: tuple[str, ...]
    build: Callable[[Subject], Claims]


@dataclass(frozen=True, slots=True)
class StockMapping:
    """A shipped mapping, as in its blueprint entry."""

    managed: str
    name: str
    scope_name: str
    description: str
    expression: str


def _nothing(_subject: Subject) -> Claims:
    return {}


def _email(subject: Subject) -> Claims:
    return {"email": subject.user.email, "email_verified": False}


def _profile(subject: Subject) -> Claims:
    user = subject.user
    return {
        "name": user.name,
        "given_name": user.name,
        "preferred_username": user.username,
        "nickname": user.username,
        "groups": [group.name for group in subject.groups],
    }


def _entitlements(_subject: Subject) -> Claims:
    return {"entitlements": [], "roles": []}


def _proxy(subject: Subject) -> Claims:
    return {"ak_proxy": {"user_attributes": dict(subject.attributes), "is_superuser": subject.is_superuser}}


def _address(subject: Subject) -> Claims:
    address = subject.user.attributes.get("address")
    return {"address": dict(address)} if isinstance(address, Mapping) and address else {}


def _phone(subject: Subject) -> Claims:
    phone = subject.user.attributes.get("phone")
    return {"phone_number": phone, "phone_number_verified": False} if isinstance(phone, str) and phone else {}


_OWN: Final = "ostiary/providers/oauth2/"  # authentik ships no mappings for these scopes
_PREFIX: Final = "goauthentik.io/providers/"
STOCK: Final[tuple[StockMapping, ...]] = (
    StockMapping(
        _PREFIX + "oauth2/scope-openid", "authentik default OAuth Mapping: OpenID 'openid'", "openid", "", NOTHING
    ),
    StockMapping(
        _PREFIX + "oauth2/scope-email",
        "authentik default OAuth Mapping: OpenID 'email'",
        "email",
        "E-mail address",
        EMAIL,
    ),
    StockMapping(
        _PREFIX + "oauth2/scope-profile",
        "authentik default OAuth Mapping: OpenID 'profile'",
        "profile",
        "Name, user name and groups",
        PROFILE,
    ),
    StockMapping(
        _PREFIX + "oauth2/scope-entitlements",
        "authentik default OAuth Mapping: Application Entitlements",
        "entitlements",
        "Your roles in this application",
        ENTITLEMENTS,
    ),
    StockMapping(
        _PREFIX + "oauth2/scope-offline_access",
        "authentik default OAuth Mapping: OpenID 'offline_access'",
        "offline_access",
        "Access while you are away",
        NOTHING,
    ),
    StockMapping(
        _PREFIX + "oauth2/scope-authentik_api",
        "authentik default OAuth Mapping: authentik API access",
        "goauthentik.io/api",
        "Use the administration interface in your name",
        NOTHING,
    ),
    StockMapping(
        _PREFIX + "proxy/scope-proxy",
        "authentik default OAuth Mapping: Proxy outpost",
        "ak_proxy",
        "Attributes for the proxy",
        PROXY,
    ),
    StockMapping(
        _OWN + "scope-address", "Ostiary OAuth Mapping: OpenID 'address'", "address", "Postal address", ADDRESS
    ),
    StockMapping(_OWN + "scope-phone", "Ostiary OAuth Mapping: OpenID 'phone'", "phone", "Telephone number", PHONE),
)

_NATIVE: Final[tuple[tuple[str, NativeMapping], ...]] = (
    (NOTHING, NativeMapping((), _nothing)),
    (EMAIL, NativeMapping(("email", "email_verified"), _email)),
    (PROFILE, NativeMapping(("name", "given_name", "preferred_username", "nickname", "groups"), _profile)),
    (ENTITLEMENTS, NativeMapping(("entitlements", "roles"), _entitlements)),
    (PROXY, NativeMapping(("ak_proxy",), _proxy)),
    (ADDRESS, NativeMapping(("address",), _address)),
    (PHONE, NativeMapping(("phone_number", "phone_number_verified"), _phone)),
)


_AUTHENTIK: Final[Mapping[str, str]] = {
    "7ab685903ffda31b1319238080cd6c30c53516514c11c49480451f654de001c1": ENTITLEMENTS,
    "84113f7742fca7ffae592ff400d5a557c8a761ab9be0c3c72aa450f4f4d899fb": PROXY,
    "0c885316d7527210e870d6034fc878fb0403c3e98bd3ab0ea8e6523809d08c4f": PROFILE,
}
"""The native mappings by the hash of authentik's own expressions."""


@functools.cache
def native_mappings() -> Mapping[str, NativeMapping]:
    """Return the functions by the hash of their expression."""
    stock = dict(_NATIVE)
    shipped = {expression_hash(source): native for source, native in _NATIVE}
    return {**shipped, **{name: stock[source] for name, source in _AUTHENTIK.items()}}
