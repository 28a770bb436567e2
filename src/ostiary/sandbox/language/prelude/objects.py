"""Applications, providers, sources, and other objects of which an expression sees the fields."""

from __future__ import annotations

from typing import Any

from ostiary.sandbox.language.prelude.outside import uses
from ostiary.sandbox.language.prelude.people import Group, User


class Application:
    """An application, or whatever else a policy is bound to."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Application) and self.pk == other.pk  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.pk)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": self._kind, "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]


class Record:
    """An object of which fields are known and nothing else: a source, a connection, an event."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, ostiary_object(value))

    def get_user_path(self) -> str:
        """Return where users of a source are put."""
        return "goauthentik.io/sources/" + str(self.slug)  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": self._kind, "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]


class OAuthSource:
    """A source of OAuth2 or OpenID Connect. Classes have no bases there: what sources do stands here again."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def get_user_path(self) -> str:
        """Return where users of the source are put."""
        return "goauthentik.io/sources/" + str(self.slug)  # type: ignore[attr-defined]

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": self._kind, "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]


def ostiary_object(value: Any) -> Any:
    """Return the object for values that are those of one, and anything else as it is."""
    if not isinstance(value, dict) or "_kind" not in value:
        return value
    if uses("OAuthSource") and value["_kind"][-11:] == "oauthsource":
        return OAuthSource(value)
    if uses("group", "user") and value["_kind"] in ("group", "user"):
        return Group(value) if value["_kind"] == "group" else User(value)
    return Record(value)


class Provider:
    """The provider that applications are told by."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.application = None if values["_application"] is None else Application(values["_application"])
        self.backchannel_application = self.application

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": "provider", "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]
