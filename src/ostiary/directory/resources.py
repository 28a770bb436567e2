"""The definitions of users, groups, roles and tokens. They are stored in tables, see `rows.backend`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Annotated, Literal

from ostiary.directory.names import EMAIL, EMAIL_EXPECTED, MAX_EMAIL_LENGTH, MAX_NAME_LENGTH, name_fault
from ostiary.record import dataclass
from ostiary.resource import (
    BLUEPRINT_ONLY,
    CASELESS,
    READ_ONLY,
    TIMESTAMP,
    UNIQUE,
    Help,
    Length,
    Numbering,
    OnDelete,
    Pattern,
    Plane,
    Problem,
    Reading,
    Reference,
    Resource,
    Sealed,
    kind,
)
from ostiary.seal import Secret

USER = "authentik_core.user"
GROUP = "authentik_core.group"
ROLE = "authentik_rbac.role"
TOKEN = "authentik_core.token"  # noqa: S105 - a kind, not a token

_PASSWORD_BYTES = 1024

UserType = Literal["internal", "external", "service_account", "internal_service_account"]
Intent = Literal["verification", "api", "recovery", "app_password"]


def _validate_user(user: UserKind) -> Iterable[Problem]:
    fault = (
        name_fault(user.username) if 0 < len(user.username) <= MAX_NAME_LENGTH else None
    )  # the field reports its length
    if fault is not None:
        yield Problem("username", fault)
    if user.password is not None and len(user.password.reveal().encode()) > _PASSWORD_BYTES:
        yield Problem("password", "a password may have at most 1,024 bytes")
    if user.path.startswith("/") or user.path.endswith("/") or "//" in user.path:
        yield Problem("path", "expected names joined by single slashes, without one at the start or the end")


@kind(
    USER,
    verbose_name="User",
    component="",
    routes="core/users",
    plane=Plane.DIRECTORY,
    numbering=Numbering.INTEGER,
    check=_validate_user,
    label_field="username",
    ignored=("permissions",),
)
class UserKind(Resource):
    """An account of a person or a program."""

    username: Annotated[str, UNIQUE, CASELESS, Length(1, MAX_NAME_LENGTH), Help("Name for the sign-in, in any case.")]
    name: Annotated[str, Help("Display name.")] = ""
    is_active: Annotated[bool, Help("Whether the user may sign in and use their tokens.")] = True
    last_login: Annotated[int | None, TIMESTAMP] = None
    groups: Annotated[tuple[str, ...], Reference(GROUP, OnDelete.SET_NULL)] = ()
    roles: Annotated[tuple[str, ...], Reference(ROLE, OnDelete.SET_NULL)] = ()
    email: Annotated[str, Length(0, MAX_EMAIL_LENGTH), Pattern(EMAIL, EMAIL_EXPECTED)] = ""
    attributes: Annotated[Mapping[str, object], Help("Any data, also with unknown keys.")] = field(default_factory=dict)
    path: Annotated[str, Length(1, 1024), Help("Folder of the user.")] = "users"
    type: Annotated[UserType, Help("Internal person, external person, or service account.")] = "internal"
    password: Annotated[
        Secret | None,
        BLUEPRINT_ONLY,
        Sealed(Reading.WRITE_ONLY),
        Help("Password in plain text; only its hash is stored."),
    ] = None
    uuid: Annotated[str, READ_ONLY] = ""
    date_joined: Annotated[int | None, READ_ONLY, TIMESTAMP] = None
    password_change_date: Annotated[int | None, READ_ONLY, TIMESTAMP] = None
    last_updated: Annotated[int | None, READ_ONLY, TIMESTAMP] = None


def _validate_group(group: GroupKind) -> Iterable[Problem]:
    if group.pk in group.parents:
        yield Problem("parents", "a group cannot be its own parent")


@kind(
    GROUP,
    verbose_name="Group",
    component="",
    routes="core/groups",
    plane=Plane.DIRECTORY,
    check=_validate_group,
    ignored=("permissions",),
)
class GroupKind(Resource):
    """A set of users. A member of a group is also a member of all its ancestors."""

    name: Annotated[str, UNIQUE, Length(1, 200)]
    is_superuser: Annotated[bool, Help("Members may do everything, also those of child groups.")] = False
    parents: Annotated[tuple[str, ...], Reference(GROUP, OnDelete.SET_NULL)] = ()
    users: Annotated[tuple[int, ...], Reference(USER, OnDelete.SET_NULL)] = ()
    attributes: Annotated[Mapping[str, object], Help("Merged into the attributes of members.")] = field(
        default_factory=dict
    )
    roles: Annotated[tuple[str, ...], Reference(ROLE, OnDelete.SET_NULL)] = ()


@kind(
    ROLE,
    verbose_name="Role",
    component="",
    routes="rbac/roles",
    plane=Plane.DIRECTORY,
    ignored=("managed",),
)
class RoleKind(Resource):
    """A named set of permissions of users and groups."""

    name: Annotated[str, UNIQUE, Length(1, 150)]
    permissions: Annotated[
        tuple[str, ...],
        BLUEPRINT_ONLY,
        Length(0, 5000),
        Help('Permission names such as "authentik_core.view_user".'),
    ] = ()


@kind(
    TOKEN,
    verbose_name="Token",
    component="",
    routes="core/tokens",
    plane=Plane.DIRECTORY,
    label_field="identifier",
    lookup_field="identifier",
    ignored=("permissions",),
)
class TokenKind(Resource):
    """A bearer token of a user: for programs (api, app_password) or for one use (recovery, verification)."""

    identifier: Annotated[
        str, UNIQUE, Length(1, 255), Pattern(r"[-a-zA-Z0-9_]+", "letters, digits, hyphens and underscores")
    ]
    user: Annotated[int, Reference(USER, OnDelete.CASCADE)]
    managed: Annotated[str | None, UNIQUE] = None
    intent: Annotated[Intent, Help("Purpose of the token.")] = "verification"
    description: str = ""
    expires: Annotated[int | None, TIMESTAMP, Help("Expiry. Default: a day after creation.")] = None
    expiring: bool = True
    key: Annotated[
        Secret | None,
        BLUEPRINT_ONLY,
        Sealed(Reading.REVEALABLE),
        Length(1, 1024),
        Help("Default: 60 random letters and digits."),
    ] = None


KINDS = (RoleKind, GroupKind, UserKind, TokenKind)


@dataclass(frozen=True, slots=True)
class KeepSession:
    """The note (`Change.note`) of a password change after which the session with this key stays signed in."""

    key: bytes
