"""Addresses and networks, as Python's module ipaddress has them; requests, as the library requests has them."""

from __future__ import annotations

import json
from typing import Any

from ostiary.sandbox.language.prelude.outside import (
    given_networks,
    host_addresses,
    host_fetch,
    host_name,
    host_network,
)
from ostiary.sandbox.language.prelude.requests import Headers
from ostiary.sandbox.language.prelude.values import ostiary_plain


class IPAddress:
    """An address: what Python tells of it, and its number."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.compressed)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return "IPv" + str(self.version) + "Address('" + str(self) + "')"  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPAddress) and self.compressed == other.compressed  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.compressed)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> str:
        """Return its text."""
        return str(self)


class IPNetwork:
    """A network: what Python tells of it, its first and its last number."""

    def __init__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        return str(self.compressed)  # type: ignore[attr-defined]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IPNetwork) and self.compressed == other.compressed  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.compressed)  # type: ignore[attr-defined]

    def __contains__(self, address: Any) -> bool:
        if not isinstance(address, IPAddress):
            raise TypeError("only an address can be in a network: use ip_address(...)")
        if address.version != self.version:  # type: ignore[attr-defined]
            return False
        return bool(self.ostiary_first <= address.ostiary_number <= self.ostiary_last)  # type: ignore[attr-defined]

    def ostiary_reference(self) -> str:
        """Return its text."""
        return str(self)


def ostiary_ordered(value: Any) -> Any:
    """Return what an address is ordered by, and anything else as it is."""
    if isinstance(value, IPAddress):
        return (value.version, value.ostiary_number)  # type: ignore[attr-defined]
    return value


def ip_address(address: Any) -> IPAddress:
    """Return an address. Raises ValueError."""
    if isinstance(address, IPAddress):
        return address
    known = given_networks.get("address " + str(address))
    return IPAddress(known if known is not None else host_network("address", address, True))  # noqa: FBT003 - not named there


def ip_network(address: Any, strict: bool = True) -> IPNetwork:
    """Return a network. Raises ValueError, also for one with host bits where `strict`."""
    if isinstance(address, IPNetwork):
        return address
    known = given_networks.get("network " + str(address)) if strict else None
    return IPNetwork(known if known is not None else host_network("network", str(address), strict))


class Response:
    """An answer."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.status_code = values["status"]
        self.reason = values["reason"]
        self.headers = Headers(values["headers"])
        self.content = values["content"]
        self.text = values["text"]
        self.url = values["url"]
        self.ok = values["status"] < 400  # noqa: PLR2004 - HTTP

    def json(self) -> Any:
        """Return the JSON value. Raises ValueError."""
        return json.loads(self.text)

    def raise_for_status(self) -> None:
        """Raise an OSError for a status of 400 and above."""
        if not self.ok:
            raise OSError(str(self.status_code) + " " + self.reason + " for url: " + self.url)


def ostiary_fetch(method: Any, url: Any, options: dict[str, Any]) -> Response:
    """Make a request. Raises OSError, PermissionError, TimeoutError, TypeError."""
    for name in options:
        if name not in ("params", "data", "json", "headers", "timeout", "auth", "allow_redirects", "verify"):
            raise TypeError("a request here has no " + name)
    if options.get("verify", True) is not True:
        raise TypeError("certificates are always verified")
    return Response(host_fetch(str(method), str(url), ostiary_plain(options)))


def ostiary_get(url: Any, params: Any = None, **options: Any) -> Response:
    """Make a GET request."""
    return ostiary_fetch("GET", url, {"params": params, **options})


def ostiary_post(url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
    """Make a POST request."""
    return ostiary_fetch("POST", url, {"data": data, "json": json, **options})


def ostiary_put(url: Any, data: Any = None, **options: Any) -> Response:
    """Make a PUT request."""
    return ostiary_fetch("PUT", url, {"data": data, **options})


def ostiary_patch(url: Any, data: Any = None, **options: Any) -> Response:
    """Make a PATCH request."""
    return ostiary_fetch("PATCH", url, {"data": data, **options})


def ostiary_delete_request(url: Any, **options: Any) -> Response:
    """Make a DELETE request."""
    return ostiary_fetch("DELETE", url, options)


def ostiary_head(url: Any, **options: Any) -> Response:
    """Make a HEAD request."""
    return ostiary_fetch("HEAD", url, options)


def ostiary_request(method: Any, url: Any, **options: Any) -> Response:
    """Make a request."""
    return ostiary_fetch(method, url, options)


class RequestExceptions:
    """The exceptions of requests: Python's own stand for them."""

    def __init__(self) -> None:
        self.RequestException = OSError
        self.HTTPError = OSError
        self.ConnectionError = OSError
        self.Timeout = TimeoutError
        self.ConnectTimeout = TimeoutError
        self.ReadTimeout = TimeoutError
        self.JSONDecodeError = ValueError


ostiary_request_exceptions = RequestExceptions()


class Requests:
    """Makes requests."""

    def __init__(self) -> None:
        self.exceptions = ostiary_request_exceptions
        self.RequestException = OSError
        self.HTTPError = OSError
        self.ConnectionError = OSError
        self.Timeout = TimeoutError

    def request(self, method: Any, url: Any, **options: Any) -> Response:
        """Make a request."""
        return ostiary_request(method, url, **options)

    def get(self, url: Any, params: Any = None, **options: Any) -> Response:
        """Make a GET request."""
        return ostiary_get(url, params, **options)

    def post(self, url: Any, data: Any = None, json: Any = None, **options: Any) -> Response:
        """Make a POST request."""
        return ostiary_post(url, data, json, **options)

    def put(self, url: Any, data: Any = None, **options: Any) -> Response:
        """Make a PUT request."""
        return ostiary_put(url, data, **options)

    def patch(self, url: Any, data: Any = None, **options: Any) -> Response:
        """Make a PATCH request."""
        return ostiary_patch(url, data, **options)

    def delete(self, url: Any, **options: Any) -> Response:
        """Make a DELETE request."""
        return ostiary_delete_request(url, **options)

    def head(self, url: Any, **options: Any) -> Response:
        """Make a HEAD request."""
        return ostiary_head(url, **options)


requests = Requests()


def resolve_dns(host: Any, ip_version: Any = None) -> list[str]:
    """Return the addresses of a name."""
    return host_addresses(str(host), ip_version)


def reverse_dns(ip_addr: Any) -> str:
    """Return the name of an address, or the address."""
    return host_name(str(ip_addr))
