"""Parsers of queries, form bodies and cookies, without I/O.

Sources: WHATWG URL section 5 (application/x-www-form-urlencoded), RFC 6265 section 4.2 (Cookie).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, unquote_plus

from ostiary.web.errors import BadRequest

PAIRS_LIMIT: Final = 256


def parse_pairs(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a query or form body in order, including empty values.

    Raises BadRequest for invalid UTF-8, for NUL, and for more than 256 pairs.
    """
    if not text:
        return []
    parts = text.split("&")
    # guard: A69 the number of form fields is bounded
    if len(parts) > PAIRS_LIMIT:
        raise BadRequest("too_many_parameters", "Too many parameters were sent.")
    is_plain = text.isascii() and "\0" not in text
    pairs = []
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            if is_plain and "%" not in part and "+" not in part:
                pairs.append((name, value))
            else:
                pairs.append((_decode(name), _decode(value)))
    return pairs


def _decode(text: str) -> str:
    if "%" not in text and "+" not in text and text.isascii() and "\0" not in text:
        return text
    try:
        return clean(unquote_plus(text, errors="strict"))
    except UnicodeDecodeError as error:
        raise BadRequest("malformed_encoding", "A parameter is not valid UTF-8.") from error


def decode_path(raw: str) -> str:
    """Return a decoded path. Raises BadRequest for invalid UTF-8 and for an encoded slash, backslash or NUL.

    These have no legitimate use here, and proxies interpret them differently.
    """
    if "%" in raw:
        lower = raw.lower()
        if "%2f" in lower or "%5c" in lower:
            raise BadRequest("malformed_path", "The address contains an encoded separator.")
        try:
            raw = unquote(raw, errors="strict")
        except UnicodeDecodeError as error:
            raise BadRequest("malformed_path", "The address is not valid UTF-8.") from error
    return clean(raw)


def clean(text: str) -> str:
    """Return a text unchanged. Raises BadRequest for NUL or a lone surrogate, which databases cannot store."""
    if text.isascii():
        is_storable = "\0" not in text
    else:
        is_storable = "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)
    if not is_storable:
        raise BadRequest("malformed_text", "The text contains a character that cannot be stored.")
    return text


def unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs by name. Raises BadRequest for a repeated name (RFC 6749 section 3.1)."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in values:
            raise BadRequest("duplicate_parameter", "A parameter was sent more than once.")
        values[name] = value
    return values


def parse_cookies(header: str) -> Mapping[str, str]:
    """Return the cookies by name. A repeated name is omitted, because either of the values may be forged."""
    cookies: dict[str, str] = {}
    repeated: set[str] = set()
    for part in header.split(";"):
        name, equals, value = part.strip(" \t").partition("=")
        if not equals or not name:
            continue
        if name in cookies:
            repeated.add(name)
        cookies[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    # guard: A40 two session cookies count as none
    for name in repeated:
        del cookies[name]
    return cookies
