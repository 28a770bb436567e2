"""Users and subjects, as values for sign-in, policies and claims."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import field

from ostiary.record import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user, without memberships. Times are in microseconds UTC."""

    pk: int
    uuid: str
    username: str
    name: str
    email: str
    is_active: bool
    type: str
    path: str
    attributes: Mapping[str, object]
    password: str = field(repr=False)  # a hash, or unusable if it begins with "!"
    last_login: int | None
    date_joined: int
    password_change_date: int
    last_updated: int
    security_stamp: int = 0  # incremented when the password, the factors, the sessions or the account change

    @property
    def stamp(self) -> str:
        """The security stamp of the user. Its change invalidates earlier, pending authentications."""
        return f"{self.uuid}.{self.security_stamp}"

    @property
    def who(self) -> dict[str, object]:
        """The reference to the user in events and sessions."""
        return {"pk": self.pk, "username": self.username, "email": self.email}

    @property
    def names(self) -> tuple[str, ...]:
        """The user's names for the sign-in: username, e-mail address, attributes.upn."""
        upn = self.attributes.get("upn")
        return (self.username, self.email, upn if isinstance(upn, str) else "")

    @property
    def has_password(self) -> bool:
        """Whether the user has a usable password."""
        return bool(self.password) and not self.password.startswith("!")


@dataclass(frozen=True, slots=True)
class GroupRef:
    """A group of a user."""

    pk: str
    name: str
    attributes: Mapping[str, object]
    is_superuser: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A user with their groups, for policies and claims, as of one moment.

    `groups` are the direct groups in order of name; `every_group` also includes all ancestors. `all_groups` are the
    keys of the latter, and `all_group_names` their names. `attributes` are merged from all groups, in order of name,
    and then from the user.
    """

    user: User
    uid: str
    groups: tuple[GroupRef, ...]
    every_group: tuple[GroupRef, ...]
    all_groups: frozenset[str]
    all_group_names: frozenset[str]
    is_superuser: bool
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A membership of a user in a group: `direct`, or through a descendant of the group."""

    group: GroupRef = field(kw_only=False)
    direct: bool
    superuser: bool


def subject_of_groups(user: User, memberships: Sequence[Membership], *, install_id: str) -> Subject:
    """Return the subject of a user. `memberships` are complete and in order of the groups' names."""
    groups = tuple(one.group for one in memberships)
    attributes: dict[str, object] = {}
    for group in groups:
        if group.attributes:
            attributes = merge_attributes(attributes, group.attributes)
    return Subject(
        user=user,
        uid=uid_of(user.pk, install_id),
        groups=tuple(one.group for one in memberships if one.direct),
        every_group=groups,
        all_groups=frozenset(group.pk for group in groups),
        all_group_names=frozenset(group.name for group in groups),
        is_superuser=any(one.superuser for one in memberships),
        attributes=merge_attributes(attributes, user.attributes) if attributes else user.attributes,
    )


def uid_of(pk: int, install_id: str) -> str:
    """Return the stable public id of a user, the default `sub` of tokens: hex SHA-256 of "{pk}-{install_id}"."""
    return hashlib.sha256(f"{pk}-{install_id}".encode()).hexdigest()


def merge_attributes(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Return the deep merge: mappings are merged, lists are appended, other values come from `above`."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            merged[name] = merge_attributes(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = old + value
        else:
            merged[name] = value
    return merged
