"""Redirection addresses (RFC 6749 3.1.2, RFC 9700 2.1): which may be used, and how answers are put on them.

Strict entries are compared as texts, to the character (RFC 9700 4.1.3). Patterns must match as a whole, host and rest
apart, and a text that hides its target (user info, dot segments, backslashes, encoded separators) is not even tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from ostiary.proto.oauth2.authorization.pattern import BadPattern, pattern

MatchingMode = Literal["strict", "regex"]

FORBIDDEN_SCHEMES: Final = frozenset({"javascript", "data", "vbscript"})
MAX_LENGTH: Final = 2048  # characters of an address

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LOOPBACK: Final = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?P<rest>(?:[/?].*)?)")
_UNQUOTE_ROUNDS: Final = 3
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[^\]]*\]|[^/?:]*)")  # without the port
_WEB: Final = frozenset({"http", "https"})


class RedirectEntry(Protocol):
    """One address, or pattern, that an administrator allowed."""

    @property
    def matching_mode(self) -> MatchingMode:
        """How `url` is meant."""
        ...

    @property
    def url(self) -> str:
        """The address or pattern."""
        ...


def pattern_problem(mode: MatchingMode, url: str) -> str | None:
    """Return what was expected instead of an entry that can never be used, or None when it can."""
    if mode == "regex":
        try:
            pattern(url)
        except BadPattern as error:
            return str(error)
        return None
    if _scheme(url) in FORBIDDEN_SCHEMES:
        return f"expected an address that is not {_scheme(url)}:"
    # guard: A05 they cannot be saved
    if not is_safe_redirect_uri(url):
        return "expected an absolute address of visible ASCII characters, without a fragment"
    return None


def is_allowed(sent: str, entries: Iterable[RedirectEntry], *, any_port: bool = False) -> bool:
    """Tell whether an answer may be sent to `sent`. No entries allow nothing.

    `any_port` is for native apps: strict entries of this very device match whatever port the app was given.
    """
    if not is_safe_redirect_uri(sent):
        return False
    plain: bool | None = None
    own = _without_port(sent) if any_port else None
    for entry in entries:
        if entry.matching_mode == "strict":
            # guard: A01 strict addresses are equal to the character
            # guard: A04 a strict address is not a pattern
            if sent == entry.url or (own is not None and own == _without_port(entry.url)):
                return True
        else:
            plain = _is_plain(sent) if plain is None else plain
            if plain and _matches(entry.url, sent):
                return True
    return False


def _matches(text: str, sent: str) -> bool:
    """Match in linear time (A04). A pattern from before the check, which cannot be, allows nothing."""
    try:
        # guard: A04 no address makes a pattern slow
        # guard: A04 patterns match as a whole
        # guard: A01 a wildcard does not reach across the end of the host
        return pattern(text).fullmatch(sent, fixed=_joints(sent))
    except BadPattern:
        return False


def _joints(url: str) -> list[int]:
    """Return the places of an address where a wildcard in the middle of a pattern must not reach across.

    The end of its host; and the end of its scheme, unless that is http or https.
    """
    found = _AUTHORITY.match(url)
    scheme = url.find(":")
    of_the_web = url[:scheme].lower() in _WEB
    return [*([] if of_the_web else [scheme]), *([] if found is None else [found.end()])]


def _without_port(url: str) -> tuple[str, str] | None:
    """Return what of a loopback address must be the same (RFC 8252 7.3): an IP literal, never a name (8.3)."""
    found = _LOOPBACK.fullmatch(url)
    return None if found is None else (found["host"], found["rest"])


def is_safe_redirect_uri(url: str) -> bool:
    """Tell whether `url` is absolute, visible ASCII, without fragment (RFC 6749 3.1.2) and of no dangerous scheme."""
    # guard: A05 a fragment is no part of an address
    if len(url) > MAX_LENGTH or _VISIBLE.fullmatch(url) is None or "#" in url or "\\" in url:
        return False
    scheme = _scheme(url)
    # guard: A05 dangerous schemes are refused whatever the list says
    return scheme is not None and scheme not in FORBIDDEN_SCHEMES and _split(url) is not None


def with_query(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return `url` with pairs added to its query (RFC 6749 4.1.2); a query it has is kept."""
    if not pairs:
        return url
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return url + joint + urlencode(pairs, quote_via=quote)


def with_fragment(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return `url` with pairs as its fragment (OAuth 2.0 Multiple Response Types 2.1)."""
    return f"{url}#{urlencode(pairs, quote_via=quote)}"


def origin(url: str) -> str | None:
    """Return "scheme://host[:port]" of an http or https address, in the spelling browsers send, or None."""
    parts = _split(url)
    if parts is None or parts.scheme not in _WEB or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, usual} else "")


def origins(entries: Iterable[RedirectEntry]) -> frozenset[str]:
    """Return the origins of the strict entries; a pattern has none."""
    found = (origin(entry.url) for entry in entries if entry.matching_mode == "strict")
    return frozenset(item for item in found if item is not None)


def sectors(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts of addresses (OpenID Connect Core 8.1), without repetitions; "" for one that has none."""
    parts = (_split(url) for url in urls)
    return tuple(dict.fromkeys("" if part is None else (part.hostname or "") for part in parts))


def _scheme(url: str) -> str | None:
    found = _SCHEME.match(url)
    return found.group(1).lower() if found else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_plain(url: str) -> bool:
    """Tell whether the target is where it seems to be: patterns are written by people who think so (A02, A03)."""
    parts = _split(url)
    # guard: A02 user info hides the host from patterns
    if parts is None or "@" in parts.netloc or "%" in parts.netloc:
        return False
    # guard: A03 an address of the web has a host
    if parts.scheme in _WEB and not parts.hostname:  # browsers take "https:a" and "https:///a" for "https://a"
        return False
    path = parts.path
    for _ in range(_UNQUOTE_ROUNDS):
        if "\\" in path or any(segment in {".", ".."} for segment in path.split("/")):
            return False
        # guard: A03 dot segments are looked for behind several encodings
        path = unquote(path)
    return "\\" not in path and not any(segment in {".", ".."} for segment in path.split("/"))
