"""Redirect URIs (RFC 6749 3.1.2, RFC 9700 2.1): validation, and adding the response parameters.

Strict entries are compared character by character (RFC 9700 4.1.3). A pattern must match the whole URI, and a wildcard
does not cross the end of the host. A URI that hides its target (user info, dot segments, backslashes, encoded
separators) matches no pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal, Protocol
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from ostiary.proto.oauth2.authorization.pattern import BadPattern, pattern

MatchingMode = Literal["strict", "regex"]

FORBIDDEN_SCHEMES: Final = frozenset({"javascript", "data", "vbscript"})
MAX_LENGTH: Final = 2048  # characters of a URI

_VISIBLE: Final = re.compile(r"[\x21-\x7e]+")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_LOOPBACK: Final = re.compile(r"http://(?P<host>127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?(?P<rest>(?:[/?].*)?)")
_UNQUOTE_ROUNDS: Final = 3
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:\[[^\]]*\]|[^/?:]*)")  # without the port
_WEB: Final = frozenset({"http", "https"})


class RedirectEntry(Protocol):
    """One redirect URI, or pattern of some, that an administrator allowed."""

    @property
    def matching_mode(self) -> MatchingMode:
        """How `url` is compared."""
        ...

    @property
    def url(self) -> str:
        """The redirect URI or the pattern."""
        ...


def pattern_problem(mode: MatchingMode, url: str) -> str | None:
    """Return what was expected instead of an unusable entry, or None when the entry is valid."""
    if mode == "regex":
        try:
            pattern(url)
        except BadPattern as error:
            return str(error)
        return None
    if _scheme(url) in FORBIDDEN_SCHEMES:
        return f"expected an address that is not {_scheme(url)}:"
    # guard: A05 dangerous addresses cannot be saved
    if not is_safe_redirect_uri(url):
        return "expected an absolute address of visible ASCII characters, without a fragment"
    return None


def is_allowed(sent: str, entries: Iterable[RedirectEntry], *, any_port: bool = False) -> bool:
    """Return whether the redirect URI of a request is allowed. Without entries none is.

    `any_port` is for native apps: strict entries of loopback addresses match with any port (RFC 8252 7.3).
    """
    if not is_safe_redirect_uri(sent):
        return False
    is_plain: bool | None = None
    sent_loopback = _without_port(sent) if any_port else None
    for entry in entries:
        if entry.matching_mode == "strict":
            # guard: A01 strict addresses are compared exactly
            # guard: A04 a strict address is not a pattern
            if sent == entry.url or (sent_loopback is not None and sent_loopback == _without_port(entry.url)):
                return True
        else:
            is_plain = _is_plain(sent) if is_plain is None else is_plain
            if is_plain and _matches(entry.url, sent):
                return True
    return False


def _matches(text: str, sent: str) -> bool:
    """Match a pattern in linear time (A04). A stored pattern that is invalid matches nothing."""
    try:
        # guard: A04 matching time is linear for every address
        # guard: A04 patterns match the whole address
        # guard: A01 a wildcard does not match beyond the host
        return pattern(text).fullmatch(sent, fixed=_boundaries(sent))
    except BadPattern:
        return False


def _boundaries(url: str) -> list[int]:
    """Return the indexes in a URI that a wildcard in the middle of a pattern must not cross.

    These are the end of the host, and the end of the scheme unless that is http or https.
    """
    match = _AUTHORITY.match(url)
    scheme = url.find(":")
    of_the_web = url[:scheme].lower() in _WEB
    return [*([] if of_the_web else [scheme]), *([] if match is None else [match.end()])]


def _without_port(url: str) -> tuple[str, str] | None:
    """Return the host and the rest of a loopback URI without its port (RFC 8252 7.3); None for names (8.3)."""
    match = _LOOPBACK.fullmatch(url)
    return None if match is None else (match["host"], match["rest"])


def is_safe_redirect_uri(url: str) -> bool:
    """Return whether `url` is absolute, visible ASCII, without fragment (RFC 6749 3.1.2) and of no dangerous scheme."""
    # guard: A05 an address with a fragment is refused
    if len(url) > MAX_LENGTH or _VISIBLE.fullmatch(url) is None or "#" in url or "\\" in url:
        return False
    scheme = _scheme(url)
    # guard: A05 dangerous schemes are refused even if listed
    return scheme is not None and scheme not in FORBIDDEN_SCHEMES and _split(url) is not None


def with_query(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return `url` with pairs appended to its query (RFC 6749 4.1.2)."""
    if not pairs:
        return url
    joint = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
    return url + joint + urlencode(pairs, quote_via=quote)


def with_fragment(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """Return `url` with pairs as its fragment (OAuth 2.0 Multiple Response Types 2.1)."""
    return f"{url}#{urlencode(pairs, quote_via=quote)}"


def origin(url: str) -> str | None:
    """Return the origin of an http or https URL as browsers serialize it (RFC 6454 6.1), or None."""
    parts = _split(url)
    if parts is None or parts.scheme not in _WEB or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default_port = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, default_port} else "")


def origins(entries: Iterable[RedirectEntry]) -> frozenset[str]:
    """Return the origins of the strict entries; a pattern has none."""
    found_origins = (origin(entry.url) for entry in entries if entry.matching_mode == "strict")
    return frozenset(item for item in found_origins if item is not None)


def sectors(urls: Iterable[str]) -> tuple[str, ...]:
    """Return the sectors (hosts) of redirect URIs (OpenID Connect Core 8.1), each once; "" for one without a host."""
    parts = (_split(url) for url in urls)
    return tuple(dict.fromkeys("" if part is None else (part.hostname or "") for part in parts))


def _scheme(url: str) -> str | None:
    match = _SCHEME.match(url)
    return match.group(1).lower() if match else None


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _is_plain(url: str) -> bool:
    """Return whether a URI leads where it seems to: authors of patterns rely on it (A02, A03)."""
    parts = _split(url)
    # guard: A02 addresses with user information never match a pattern
    if parts is None or "@" in parts.netloc or "%" in parts.netloc:
        return False
    # guard: A03 an http address must have a host
    if parts.scheme in _WEB and not parts.hostname:  # browsers take "https:a" and "https:///a" for "https://a"
        return False
    path = parts.path
    for _ in range(_UNQUOTE_ROUNDS):
        if "\\" in path or any(segment in {".", ".."} for segment in path.split("/")):
            return False
        # guard: A03 dot segments are found behind repeated encodings
        path = unquote(path)
    return "\\" not in path and not any(segment in {".", ".."} for segment in path.split("/"))
