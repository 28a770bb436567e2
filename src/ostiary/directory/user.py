"""A user and a subject as values: what sign-in, policies and claims read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One row of users, without memberships. Times are microseconds UTC."""

    pk: int
    uuid: str
    username: str
    name: str
    email: str
    is_active: bool
    type: str
    path: str
    attributes: Mapping[str, object]
    password: str = field(repr=False)  # a hash, or "!" and something: unusable
    last_login: int | None
    date_joined: int
    password_change_date: int
    last_updated: int
    security_stamp: int = 0  # counts up when the password, the factors, the sessions or the account change

    @property
    def stamp(self) -> str:
        """What a proof of this person rests on: a proof given before it changed is worth nothing any more."""
        return f"{self.uuid}.{self.security_stamp}"

    @property
    def who(self) -> dict[str, object]:
        """How events and sessions name the user."""
        return {"pk": self.pk, "username": self.username, "email": self.email}

    @property
    def names(self) -> tuple[str, ...]:
        """What the user may sign in by: username, e-mail address, attributes.upn."""
        upn = self.attributes.get("upn")
        return (self.username, self.email, upn if isinstance(upn, str) else "")

    @property
    def has_password(self) -> bool:
        """Whether any password could be right."""
        return bool(self.password) and not self.password.startswith("!")


@dataclass(frozen=True, slots=True)
class GroupRef:
    """A group somebody is in."""

    pk: str
    name: str
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A user with everything decisions and claims need, read at one moment.

    `groups` are direct memberships in order of name, `every_group` those and all their ancestors; `all_groups` are the
    keys of the latter, `all_group_names` their names. `attributes` are those of all groups, in order of name, with the
    user's own on top.
    """

    user: User
    uid: str
    groups: tuple[GroupRef, ...]
    every_group: tuple[GroupRef, ...]
    all_groups: frozenset[str]
    all_group_names: frozenset[str]
    is_superuser: bool
    attributes: Mapping[str, object]


def uid_of(pk: int, install_id: str) -> str:
    """Return the stable public id of a user: hex SHA-256 of "{pk}-{install_id}", the default `sub` of tokens."""
    return hashlib.sha256(f"{pk}-{install_id}".encode()).hexdigest()


def merge(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Return both, deeply: mappings are joined, lists are appended, of other values the one above counts."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[name] = merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = old + value
        else:
            merged[name] = value
    return merged
