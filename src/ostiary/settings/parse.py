"""The parsers of settings, one per type: text in, value out, ValueError("expected ...") otherwise.

The setting decides the type, not the value: a password of digits stays a text.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from ostiary.proto.authority import read_address
from ostiary.proto.duration import parse_duration
from ostiary.seal import Secret
from ostiary.settings.model import Address, Network, RateSetting
from ostiary.settings.pairs import pairs

_TEN_YEARS: Final = 315_360_000  # seconds
_HIGHEST_PORT: Final = 65535
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_UNITS: Final = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}  # microseconds
_SHARE: Final = re.compile(r"0?\.[0-9]{1,12}|[01]|0\.|1\.0{0,12}")
_URL_PATH: Final = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*")


def text(raw: str) -> str:
    """Parse any text."""
    return raw


def secret(raw: str) -> Secret:
    """Parse any text as a secret."""
    return Secret(raw)


def path(raw: str) -> Path:
    """Parse a path; "~" is the home folder."""
    return Path(raw).expanduser()


def digest(raw: str) -> str:
    """Parse the digest of a container image, as registries write it."""
    if re.fullmatch(r"sha256:[0-9a-f]{64}", raw):
        return raw
    raise ValueError("expected sha256: and 64 hexadecimal digits")


def port(raw: str) -> int:
    """Parse a port number."""
    if raw.isascii() and raw.isdigit() and 0 < int(raw) <= _HIGHEST_PORT:
        return int(raw)
    raise ValueError(f"expected a port number from 1 to {_HIGHEST_PORT}")


def whole_seconds(raw: str) -> int:
    """Parse a number of seconds, from 0 to ten years."""
    if raw.isascii() and raw.isdigit() and len(raw) <= len(str(_TEN_YEARS)) and int(raw) <= _TEN_YEARS:
        return int(raw)
    raise ValueError(f"expected a number of seconds from 0 to {_TEN_YEARS}")


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the parser of a whole number in a range."""

    def read(raw: str) -> int:
        if raw.isascii() and raw.isdigit() and len(raw) <= len(str(most)) and least <= int(raw) <= most:
            return int(raw)
        raise ValueError(f"expected a number from {least} to {most}")

    return read


def duration_up_to(most: str) -> Callable[[str], int]:
    """Return the parser of a duration with an upper bound, into microseconds above zero."""

    def read(raw: str) -> int:
        value = duration(raw)
        if value > parse_duration(most):
            raise ValueError(f"expected a duration of at most {most}")
        return value

    return read


def yes_or_no(raw: str) -> bool:
    """Parse true or false, in any case; also yes, no, on, off, 1 and 0, as authentik does."""
    word = raw.strip().lower()
    if word in {"true", "yes", "on", "1"}:
        return True
    if word in {"false", "no", "off", "0"}:
        return False
    raise ValueError("expected true or false")


def address(raw: str) -> Address:
    """Parse "host:port", with IPv6 in brackets. ":port" means every IPv4 address."""
    host, colon, number = raw.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed) or not (number.isascii() and number.isdigit()):
        raise ValueError("expected host:port, such as 127.0.0.1:9000 or [::1]:9000")
    if int(number) > _HIGHEST_PORT:
        raise ValueError(f"expected a port up to {_HIGHEST_PORT}")
    return Address(host[1:-1] if bracketed else host or "0.0.0.0", int(number))  # noqa: S104 - as authentik reads ":9000"


def address_or_off(text: str) -> Address | None:
    """Parse an address; None for "off"."""
    return None if text.strip().lower() == "off" else address(text)


def url_path(raw: str) -> str:
    """Parse a path prefix that starts and ends with a slash."""
    if _URL_PATH.fullmatch(raw) and "/../" not in raw and "/./" not in raw:
        return raw
    raise ValueError("expected a path that starts and ends with a slash, such as /login/")


def duration(raw: str) -> int:
    """Parse a duration such as "hours=1;minutes=30" into microseconds above zero."""
    value = parse_duration(raw)
    if value <= 0:
        raise ValueError('expected a duration above zero, such as "days=1"')
    return value


def rate(raw: str) -> RateSetting:
    """Parse a rate per second, minute, hour or day, such as "20/hour"."""
    count, slash, unit = raw.partition("/")
    window = _UNITS.get(unit.strip().lower()[:1]) if slash else None
    if window is None or not (count.strip().isascii() and count.strip().isdigit()) or int(count) < 1:
        raise ValueError("expected a rate, such as 20/hour")
    return RateSetting(int(count), window)


def http_address(raw: str) -> str:
    """Parse an http or https address without user, query and fragment. The slash at its end is left out."""
    try:
        parts = urlsplit(raw)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not raw.isascii() or any(sign in raw for sign in " @?#\\"):
        raise ValueError("expected an http or https address, without user and query, such as https://example.org")
    return raw.rstrip("/")


def share(raw: str) -> float:
    """Parse a share from 0 to 1, such as 0.1."""
    if _SHARE.fullmatch(raw):
        return float(raw)
    raise ValueError("expected a number from 0 to 1, such as 0.1")


def secret_pairs(raw: str) -> Secret:
    """Parse headers as `pairs` reads them, as a secret."""
    for name, value in pairs(raw).items():
        if not value.isascii() or not _HEADER.fullmatch(name):
            raise ValueError("expected name=value of ASCII characters, separated by commas")
    return Secret(raw)


def header(raw: str) -> str:
    """Parse the name of a header."""
    if _HEADER.fullmatch(raw):
        return raw.lower()
    raise ValueError("expected the name of a header, such as Client-Cert")


def choice(*words: str) -> Callable[[str], str]:
    """Return the parser of a choice, in any case."""

    def read(raw: str) -> str:
        if raw.lower() in words:
            return raw.lower()
        raise ValueError("expected one of " + ", ".join(words))

    return read


def hosts(raw: str) -> tuple[str, ...]:
    """Parse a list of host names, also given as addresses. A leading dot stands for all names below it."""
    names = []
    for one in texts(raw):
        dot = "." if one.startswith(".") else ""
        try:
            names.append(dot + read_address(one.removeprefix(".")))
        except ValueError as error:
            raise ValueError(f"{error}; {one!r} is none") from error
    return tuple(names)


def texts(raw: str) -> tuple[str, ...]:
    """Parse a list: separated by commas, or a JSON array."""
    if raw.lstrip().startswith("["):
        try:
            items = json.loads(raw)
        except ValueError:
            items = None
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ValueError('expected a list of texts, such as a,b or ["a", "b"]')
        return tuple(items)
    return tuple(item.strip() for item in raw.split(",") if item.strip())


def networks(raw: str) -> tuple[Network, ...]:
    """Parse a list of networks or single addresses."""
    parsed: list[Network] = []
    for item in texts(raw):
        try:
            parsed.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            raise ValueError(f"expected networks such as 10.0.0.0/8,fd00::/8, and {item!r} is none") from None
    return tuple(parsed)
