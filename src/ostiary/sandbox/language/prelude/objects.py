"""Applications and providers."""

from __future__ import annotations

from typing import Any


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


class Provider:
    """The provider that applications are told by."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        self.application = None if values["_application"] is None else Application(values["_application"])

    def __str__(self) -> str:
        return str(self.name)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> dict[str, Any]:
        """Return what stands for it outside."""
        return {"ostiary": "provider", "pk": self.pk, "name": self.name}  # type: ignore[attr-defined]
