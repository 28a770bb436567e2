"""The fields of our objects in expressions, under authentik's names."""

from __future__ import annotations

import base64
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ostiary.record import dataclass

if TYPE_CHECKING:
    from ostiary.directory.authenticators.device import Device
    from ostiary.directory.user import GroupRef, Subject, User

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

NOBODY: Final[Mapping[str, object]] = {
    "pk": None, "id": None, "uuid": None, "uid": "", "username": "", "name": "", "email": "", "path": "",
    "type": "internal", "is_active": False, "is_superuser": False, "is_authenticated": False, "is_anonymous": True,
    "attributes": {}, "avatar": "", "last_login": None, "date_joined": None, "last_updated": None,
    "password_change_date": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ObjectReference:
    """A reference to one of our objects, in a value of an expression."""

    kind: str
    pk: object
    name: str


def reference_of(value: object) -> ObjectReference | None:
    """Return the reference in a value of the prelude, None for any other value."""
    if isinstance(value, dict) and value.keys() == {"ostiary", "pk", "name"}:
        return ObjectReference(str(value["ostiary"]), value["pk"], str(value["name"]))
    return None


def user_fields(user: User, *, uid: str, is_superuser: bool) -> dict[str, object]:
    """Return the fields of a user."""
    return {
        "pk": user.pk,
        "id": user.pk,
        "uuid": user.uuid,
        "uid": uid,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "path": user.path,
        "type": user.type,
        "is_active": user.is_active,
        "is_superuser": is_superuser,
        "is_authenticated": True,
        "is_anonymous": False,
        "attributes": user.attributes,
        "avatar": _avatar(user),
        "last_login": _time(user.last_login),
        "date_joined": _time(user.date_joined),
        "last_updated": _time(user.last_updated),
        "password_change_date": _time(user.password_change_date),
    }


def subject_values(subject: Subject | None, attributes: Collection[str]) -> dict[str, object]:
    """Return the fields of a user with groups, as far as the program reads them (`attributes`)."""
    if subject is None:
        return {**NOBODY, "_groups": [], "_every_group": [], "_merged": {}, "_has_password": False}
    values = user_fields(subject.user, uid=subject.uid, is_superuser=subject.is_superuser)
    everything = "*" in attributes
    if everything or not {"groups", "ak_groups", "_groups"}.isdisjoint(attributes):
        values["_groups"] = [group_fields(group) for group in subject.groups]
    if everything or "_every_group" in attributes:
        values["_every_group"] = [group_fields(group) for group in subject.every_group]
    if everything or "_merged" in attributes:
        values["_merged"] = subject.attributes
    if everything or "_has_password" in attributes:
        values["_has_password"] = subject.user.has_password
    return values


def group_fields(group: GroupRef) -> dict[str, object]:
    """Return the fields of a group."""
    return {
        "pk": group.pk,
        "group_uuid": group.pk,
        "name": group.name,
        "is_superuser": group.is_superuser,
        "attributes": group.attributes,
    }


def device_fields(device: Device) -> dict[str, object]:
    """Return the fields of a device."""
    return {
        "_class": device.device_class,
        "pk": device.pk,
        "user": device.user,
        "name": device.name,
        "confirmed": device.confirmed,
        "created": _time(device.created),
        "last_updated": _time(device.last_updated),
        "last_used": _time(device.last_used),
    }


def _avatar(user: User) -> str:
    """Return the picture that the user's attributes name, else initials."""
    picture = user.attributes.get("avatar")
    if isinstance(picture, str) and picture:
        return picture
    initials = "".join(word[0] for word in (user.name or user.username).split()[:2] if word[0].isalnum()).upper()
    text = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 64 64'><text x='32' y='42'>{initials}</text></svg>"
    return "data:image/svg+xml;base64," + base64.b64encode(text.encode()).decode()


def _time(microseconds: int | None) -> datetime | None:
    if microseconds is None:
        return None
    seconds, rest = divmod(microseconds, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
