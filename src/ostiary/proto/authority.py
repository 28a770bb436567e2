"""Authorities: the host and port of an address (RFC 3986, section 3.2), and their canonical spelling for comparison.

Canonical is: lower case, no final dot, IPv6 in brackets and compressed (RFC 5952), and no default port of the scheme:
"id.example.org", "id.example.org:8443", "[2001:db8::1]:9000".
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
EXPECTED: Final = "expected a host name such as id.example.org, with a port where it is not the usual one"

_HIGHEST_PORT: Final = 65535
_MAX_LENGTH: Final = 253  # characters of a name (RFC 1035, section 2.3.4)
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[^:\[\]]*)(?::([0-9]{1,5}))?")


def split(authority: str) -> tuple[str, int | None]:
    """Return the host and the port, None without one. Raises ValueError when the authority is malformed."""
    match = _AUTHORITY.fullmatch(authority.lower())
    if match is None:
        raise ValueError(EXPECTED)
    name = match[1]
    if name.startswith("["):
        name = f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
    else:
        name = name.removesuffix(".")
        if len(name) > _MAX_LENGTH or _NAME.fullmatch(name) is None or ".." in name:
            raise ValueError(EXPECTED)
    port = int(match[2]) if match[2] else None
    if port is not None and not 0 < port <= _HIGHEST_PORT:
        raise ValueError(EXPECTED)
    return name, port


def joined(name: str, port: int | None) -> str:
    """Return the authority of a host and a port."""
    return name if port is None else f"{name}:{port}"


def canonical(authority: str, scheme: str) -> str:
    """Return the canonical spelling of an authority. Raises ValueError when it is malformed."""
    name, port = split(authority)
    return joined(name, None if port == DEFAULT_PORTS.get(scheme) else port)


def read_address(text: str) -> str:
    """Return the authority of an address that a person wrote, "https://ID.example.org/" or "id.example.org:8443".

    The default scheme is https. International names become ASCII (IDNA, RFC 3490).
    Raises ValueError, whose message says what was expected.
    """
    text = text.strip()
    scheme, authority = "https", text
    if "://" in text:
        parts = urlsplit(text)
        scheme, authority = parts.scheme.lower(), parts.netloc
        if scheme not in DEFAULT_PORTS or parts.query or parts.fragment:
            raise ValueError(EXPECTED)
    authority = authority.removesuffix("/")
    if not authority.isascii():
        name, colon, port = authority.partition(":")
        try:
            authority = name.encode("idna").decode("ascii") + colon + port
        except UnicodeError:
            raise ValueError(EXPECTED) from None
    return canonical(authority, scheme)


def is_loopback(name: str) -> bool:
    """Return whether a host, as `split` returns it, is a loopback address or name (RFC 6761, section 6.3)."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
