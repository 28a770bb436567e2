"""Fetching of small JSON documents, such as the keys of an issuer.

Each GET uses its own connection (`requests.connected`). Redirects are not followed, the status must be 200, size and
time are limited, and the document is parsed only when it is complete.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.web.outgoing.exchange import exchange
from ostiary.web.outgoing.requests import OutgoingFailed, RequestTarget, is_public, target_of

SECONDS: Final = 5.0  # in total
DOCUMENT_LIMIT: Final = 262_144  # bytes

_OK: Final = 200


def document_url_problem(url: str) -> str | None:
    """Return the problem of the URL of a trusted document ("expected ..."), or None.

    It must use https, or http to this machine, because keys can be replaced on an unprotected connection.
    """
    try:
        target = target_of(url)
    except OutgoingFailed as error:
        return str(error)
    # guard: A67 keys are read over TLS, or from this machine
    if not target.tls and not _is_loopback(target.host):
        return "expected an https address, or an http one of this machine (localhost, 127.0.0.1, [::1])"
    return None


def _is_loopback(host: str) -> bool:
    """Return whether a host name or address is that of this machine. Names are not resolved."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def fetch_json(
    url: str, *, public: bool = False, limit: int = DOCUMENT_LIMIT, seconds: float = SECONDS
) -> object:
    """Fetch the document of a URL (see `document_url_problem`). Raises OutgoingFailed.

    `public` refuses private networks, for URLs that no administrator has configured. `limit` is in bytes.
    """
    body = await _fetch(url, {"Accept": "application/json"}, public=public, limit=limit, seconds=seconds)
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise OutgoingFailed("the response is not JSON") from error


async def fetch_text(
    url: str, *, accept: str, headers: Mapping[str, str] = MappingProxyType({}), limit: int = DOCUMENT_LIMIT
) -> str:
    """Fetch a text in UTF-8, as `fetch_json` fetches. `headers` are added to the request. Raises OutgoingFailed."""
    body = await _fetch(url, {"Accept": accept, **headers}, public=False, limit=limit, seconds=SECONDS)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise OutgoingFailed("the response is not UTF-8") from error


async def _fetch(url: str, headers: Mapping[str, str], *, public: bool, limit: int, seconds: float) -> bytes:
    expected = document_url_problem(url)
    if expected is not None:
        raise OutgoingFailed(expected)
    try:
        async with asyncio.timeout(seconds):
            return await _read(target_of(url), headers, public=public, limit=limit)
    except TimeoutError:
        raise OutgoingFailed(f"no response within {seconds:g} seconds") from None
    except (OSError, ValueError) as error:  # ValueError: a malformed host name
        raise OutgoingFailed(f"{type(error).__name__}: {error}") from error


async def _read(target: RequestTarget, headers: Mapping[str, str], *, public: bool, limit: int) -> bytes:
    response = await exchange("GET", target, tuple(headers.items()), limit=limit, admits=is_public if public else None)
    if response.status != _OK:
        raise OutgoingFailed(f"the response has status {response.status}, expected {_OK}")
    return response.body
