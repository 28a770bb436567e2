"""Scopes (RFC 6749 3.3): a set of names, kept in the order asked for."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from typing import Final

from ostiary.proto.oauth2.errors import INVALID_SCOPE, OAuthError

OPENID: Final = "openid"
OFFLINE_ACCESS: Final = "offline_access"

_USUAL: Final = 256  # characters of a text whose names are kept
_NAME: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def parse_scope(text: str) -> tuple[str, ...]:
    """Return the names without repetitions. Raises OAuthError (invalid_scope) for characters no scope may have."""
    return _parse(text) if len(text) <= _USUAL else _parse.__wrapped__(text)


@functools.lru_cache(maxsize=512)
def _parse(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(" ")))
    names = tuple(name for name in names if name)
    if any(_NAME.fullmatch(name) is None for name in names):
        raise OAuthError(INVALID_SCOPE, "a scope has characters outside RFC 6749 3.3")
    return names


def grant_scopes(asked: tuple[str, ...], offered: Collection[str]) -> tuple[str, ...]:
    """Return what of `asked` is offered; unknown names are dropped. Asking for nothing asks for everything offered."""
    if not asked:
        return tuple(sorted(offered))
    # guard: A11 only what the application may have is granted
    return tuple(name for name in asked if name in offered)


def narrow_scope(asked: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes of a refreshed token (RFC 6749 6). Raises OAuthError (invalid_scope) when they widen."""
    # guard: A11 a refresh does not widen
    if not set(asked) <= set(granted):
        raise OAuthError(INVALID_SCOPE, "the scope is wider than what was granted")
    return asked or granted
