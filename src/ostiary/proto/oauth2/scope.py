"""Scopes (RFC 6749 3.3): sets of names in the requested order."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Final

from ostiary.proto.oauth2.errors import INVALID_SCOPE, OAuthError

OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"

_CACHED_LENGTH: Final = 256  # characters of the longest cached text
_NAME: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def parse_scope(text: str) -> tuple[str, ...]:
    """Parse a scope parameter into distinct names. Raises OAuthError (invalid_scope) for forbidden characters."""
    return _parse(text) if len(text) <= _CACHED_LENGTH else _parse.__wrapped__(text)


@functools.lru_cache(maxsize=512)
def _parse(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(" ")))
    names = tuple(name for name in names if name)
    if any(_NAME.fullmatch(name) is None for name in names):
        raise OAuthError(INVALID_SCOPE, "a scope has characters outside RFC 6749 3.3")
    return names


def grant_scopes(requested: tuple[str, ...], offered: Collection[str]) -> tuple[str, ...]:
    """Return the requested scopes that are offered. Unknown names are ignored; an empty request is for all offered."""
    if not requested:
        return tuple(sorted(offered))
    # guard: A11 only the application's scopes are granted
    return tuple(name for name in requested if name in offered)


def narrow_scope(requested: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of a refreshed token (RFC 6749 6). Raises OAuthError (invalid_scope) for scopes not granted."""
    # guard: A11 a refresh cannot add scopes
    if not set(requested) <= set(granted):
        raise OAuthError(INVALID_SCOPE, "the scope is wider than what was granted")
    return requested or granted
