"""The request of a browser or an application, as Django's."""

from __future__ import annotations

from typing import Any


class Headers:
    """The headers of a request; their names have no case."""

    def __init__(self, values: dict[str, str]) -> None:
        self.ostiary_values = values

    def __getitem__(self, name: str) -> str:
        return self.ostiary_values[name.lower()]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.ostiary_values

    def __iter__(self) -> Any:
        return iter(self.ostiary_values)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header, or the default."""
        return self.ostiary_values.get(name.lower(), default)

    def items(self) -> Any:
        """Return all with their names."""
        return self.ostiary_values.items()


class QueryDict:
    """Parameters of a query; of several with one name the last one counts."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self.ostiary_values = values

    def __getitem__(self, name: str) -> str:
        return self.ostiary_values[name][-1]

    def __contains__(self, name: str) -> bool:
        return name in self.ostiary_values

    def __iter__(self) -> Any:
        return iter(self.ostiary_values)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the last value, or the default."""
        return self.ostiary_values[name][-1] if name in self.ostiary_values else default

    def getlist(self, name: str) -> list[str]:
        """Return every value."""
        return list(self.ostiary_values.get(name, []))

    def items(self) -> Any:
        """Return the last value of each with its name."""
        return [(name, values[-1]) for name, values in self.ostiary_values.items()]


class Tenant:
    """The settings of the installation that expressions read."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class Brand:
    """The brand of the host that was asked."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.domain)  # type: ignore[attr-defined]


class HttpRequest:
    """The request of a browser or an application."""

    def __init__(self, values: dict[str, Any], user: Any) -> None:
        self.method = values["method"]
        self.path = values["path"]
        self.scheme = values["scheme"]
        self.GET = QueryDict(values["query"])
        self.POST = QueryDict(values["form"])
        self.tenant = Tenant(values["tenant"])
        self.headers = Headers(values["headers"])
        self.META = values["meta"]
        self.COOKIES = values["cookies"]
        self.brand = Brand(values["brand"])
        self.user = user
        self.ostiary_base = values["base"]

    def get_host(self) -> Any:
        """Return the name of the host that was asked."""
        return self.headers.get("host", "")

    def is_secure(self) -> bool:
        """Tell whether the browser speaks HTTPS."""
        return bool(self.scheme == "https")

    def build_absolute_uri(self, location: str | None = None) -> str:
        """Return the whole address of a path of ours."""
        if location is not None and "://" in location:
            return location
        return str(self.ostiary_base) + (self.path if location is None else location)
