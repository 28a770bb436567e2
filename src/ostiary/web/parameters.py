"""Parsers of queries, form bodies and cookies, without I/O.

Sources: WHATWG URL section 5 (application/x-www-form-urlencoded), RFC 7578 (multipart/form-data, what browsers send of
it: no preamble, no nested parts, no transfer encodings), RFC 6265 section 4.2 (Cookie).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote, unquote_plus

from ostiary.web.errors import BadRequest

PAIRS_LIMIT: Final = 256
MULTIPART: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(r";\s*boundary=(?:\"([^\"\r\n]{1,70})\"|([^\s;\",]{1,70}))\s*(?:;|$)", re.IGNORECASE)
_DISPOSITION: Final = re.compile(
    r"form-data\s*;\s*name=\"([^\"\r\n]*)\"(?:\s*;\s*(filename)=\"([^\"\r\n]*)\")?\s*", re.IGNORECASE
)
_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}", re.ASCII)
_HEADERS_LIMIT: Final = 4_096  # bytes of the headers of one part
_ESCAPES: Final = (("%22", '"'), ("%0D", "\r"), ("%0A", "\n"))
_ANY_TYPE: Final = "application/octet-stream"


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


def parse_multipart(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Return the pairs of a form in order; a file is a data URL in base64 (RFC 2397), "" when none was chosen.

    `content_type` is the header with its parameters. Raises BadRequest, also for more than 256 pairs.
    """
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise _malformed()
    delimiter = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
    # guard: A69 the number of parts is bounded
    parts = (b"\r\n" + body).split(delimiter, PAIRS_LIMIT + 2)
    if len(parts) > PAIRS_LIMIT + 2:
        raise BadRequest("too_many_parameters", "Too many parameters were sent.")
    if len(parts) < 2 or parts[0] or parts[-1] not in {b"--", b"--\r\n"}:  # noqa: PLR2004 - nothing before, and the end
        raise _malformed()
    return [_pair(part) for part in parts[1:-1]]


def _pair(part: bytes) -> tuple[str, str]:
    head, blank, content = part.partition(b"\r\n\r\n")
    if not head.startswith(b"\r\n") or not blank or len(head) > _HEADERS_LIMIT:
        raise _malformed()
    headers = dict(_headers(head[2:]))
    disposition = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if disposition is None or "content-transfer-encoding" in headers:
        raise _malformed()
    name = disposition[1]
    for escape, letter in _ESCAPES:
        name = name.replace(escape, letter)
    if disposition[2] is None:
        return clean(name), clean(_text(content))
    if not content and not disposition[3]:
        return clean(name), ""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _TYPE.fullmatch(media_type):
        media_type = _ANY_TYPE
    return clean(name), f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in _text(head).split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise _malformed()
        yield name.lower(), value.strip()


def _text(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("malformed_encoding", "The form is not valid UTF-8.") from error


def _malformed() -> BadRequest:
    return BadRequest("malformed_form", "The form is not valid.")
