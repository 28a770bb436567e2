"""Users, their devices and groups, as authentik's expressions know them."""

from __future__ import annotations

from typing import Any, ClassVar

from ostiary.sandbox.language.prelude.exceptions import DoesNotExist, MultipleObjectsReturned
from ostiary.sandbox.language.prelude.outside import host_devices, host_person, host_rows, uses
from ostiary.sandbox.language.prelude.queries import Query


def ostiary_merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return both merged, as a new dictionary."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[name] = ostiary_merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[name] = old + value
        else:
            merged[name] = value
    return merged


def ostiary_given_groups(values: dict[str, Any]) -> Any:
    """Return the rows of a user's groups, None where they have to be asked for."""
    return values["_groups"] if "_groups" in values else None  # noqa: SIM401 - `get` is another method of query sets


def ostiary_person(pk: Any) -> Any:
    """Return the values of a user who is there."""
    return host_person("pk", pk)


class Group:
    """A group."""

    KIND: ClassVar[str] = "group"
    DoesNotExist = DoesNotExist
    MultipleObjectsReturned = MultipleObjectsReturned
    objects: ClassVar[Any] = None

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.users = Query(User, None, ["group", values["pk"], "users"])
        self.parents = Query(Group, None, ["group", values["pk"], "parents"])
        self.children = Query(Group, None, ["group", values["pk"], "children"])

    def __str__(self) -> str:
        return "Group " + str(self.name)  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Group) and self.pk == other.pk  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.pk)  # type: ignore[attr-defined]

    def is_member(self, user: Any) -> bool:
        """Tell whether a user belongs to this group or to a descendant."""
        return self.pk in [row["pk"] for row in user.ostiary_every_group()]  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for this group outside."""
        return {"ostiary": "group", "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]


class Entitlement:
    """What an application lets somebody do, by name."""

    KIND: ClassVar[str] = "entitlement"

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": "entitlement", "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]


class User:
    """A user; nobody has no primary key, and is not authenticated."""

    KIND: ClassVar[str] = "user"
    DoesNotExist = DoesNotExist
    MultipleObjectsReturned = MultipleObjectsReturned
    objects: ClassVar[Any] = None

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.groups = Query(Group, ostiary_given_groups(values), ["user", values["pk"], "groups"])
        self.ak_groups = Query(Group, ostiary_given_groups(values), ["user", values["pk"], "groups"])

    def __str__(self) -> str:
        return str(self.username or "AnonymousUser")  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, User) and self.pk == other.pk  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.pk)  # type: ignore[attr-defined]

    def all_groups(self) -> Query:
        """Return the groups with their ancestors."""
        return Query(Group, self.ostiary_every_group())

    def ostiary_every_group(self) -> Any:
        """Return the rows of the groups with their ancestors."""
        if uses("objects", "users") and not hasattr(self, "_every_group"):
            self._every_group = host_rows(["user", self.pk, "all_groups"], {})  # type: ignore[attr-defined]
        return self._every_group

    def group_attributes(self, request: Any = None) -> dict[str, Any]:
        """Return the attributes of the brand of `request`, of the groups, and of the user on top."""
        below: dict[str, Any] = {}
        if request is not None and hasattr(request, "brand"):
            below = request.brand.attributes
        if uses("objects", "users") and not hasattr(self, "_merged"):
            self._merged = ostiary_person(self.pk)["_merged"]  # type: ignore[attr-defined]
        return ostiary_merged(below, self._merged)

    def app_entitlements(self, application: Any) -> Query:
        """Return the entitlements of an application that this user has, by name or through a group."""
        return Query(Entitlement, self.ostiary_entitled(application))

    def app_entitlements_attributes(self, application: Any) -> dict[str, Any]:
        """Return the attributes of those, merged in the order of their names."""
        merged: dict[str, Any] = {}
        for row in self.ostiary_entitled(application):
            merged = ostiary_merged(merged, row["attributes"])
        return merged

    def ostiary_entitled(self, application: Any) -> list[dict[str, Any]]:
        """Return the rows of the entitlements of an application that this user has."""
        if application is None or not hasattr(application, "_entitlements"):
            return []
        mine = [row["pk"] for row in self.ostiary_every_group()]
        return [
            row
            for row in application._entitlements  # noqa: SLF001 - ours
            if self.pk in row["_users"] or any([pk in mine for pk in row["_groups"]])  # type: ignore[attr-defined]  # noqa: C419 - a list is what it is there
        ]

    def locale(self, _request: Any = None) -> str:
        """Return the language that the user has chosen, "" without one."""
        settings = self.attributes.get("settings", {})  # type: ignore[attr-defined]
        return str(settings["locale"]) if isinstance(settings, dict) and "locale" in settings else ""

    def has_usable_password(self) -> bool:
        """Tell whether the user can sign in with a password."""
        return bool(self._has_password)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for this user outside."""
        return {"ostiary": "user", "pk": self.pk, "name": self.username}  # type: ignore[attr-defined]


Group.objects = Query(Group, None, ["group"])
User.objects = Query(User, None, ["user"])


class TOTPDevice:
    """A device that shows codes."""

    KIND: ClassVar[str] = "totp"
    objects: ClassVar[Any] = None

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class StaticDevice:
    """Codes for recovery."""

    KIND: ClassVar[str] = "static"
    objects: ClassVar[Any] = None

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class WebAuthnDevice:
    """A security key or a passkey."""

    KIND: ClassVar[str] = "webauthn"
    objects: ClassVar[Any] = None

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


def devices_for_user(user: Any, confirmed: bool | None = True) -> list[Any]:
    """Return the devices of a user: the confirmed ones, the others, or with None all."""
    if user.pk is None:
        return []
    classes = {"totp": TOTPDevice, "static": StaticDevice, "webauthn": WebAuthnDevice}
    rows = [row for row in host_devices(user.pk) if row["_class"] in classes]
    return [classes[row["_class"]](row) for row in rows if confirmed is None or row["confirmed"] == confirmed]


TOTPDevice.objects = Query(TOTPDevice, None, ["device", "totp"])
StaticDevice.objects = Query(StaticDevice, None, ["device", "static"])
WebAuthnDevice.objects = Query(WebAuthnDevice, None, ["device", "webauthn"])
