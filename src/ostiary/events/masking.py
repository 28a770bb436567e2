"""The masking of an event's context: the result is plain JSON of bounded size, without secrets.

A `Secret` is masked under any name. A value with a name such as "password" or "client_secret" is masked whatever its
type. Characters that databases cannot store (NUL, lone surrogates) are replaced, so that an event can always be stored.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ostiary.seal import STARS, Secret

TEXT_LIMIT: Final = 4096  # characters of a text
ITEM_LIMIT: Final = 256  # items of a list or mapping
DEPTH_LIMIT: Final = 12
_EXACT: Final = 2**53  # beyond it, JSON parsers differ

_HIDDEN: Final = frozenset(
    [
        "password",
        "passwd",
        "passphrase",
        "pass",
        "secret",
        "secrets",
        "token",
        "tokens",
        "key",
        "keys",
        "credential",
        "credentials",
        "cookie",
        "cookies",
        "authorization",
        "signature",
        "otp",
        "code",
        "pin",
        "nonce",
        "csrf",
        "jwt",
        "assertion",
        "session",
    ]
)
_NAME_CACHED: Final = 64  # characters; a longer name is not cached
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def cleanse(value: object) -> object:
    """Return a masked copy of a value, safe to store and to show to every auditor."""
    return _clean(value, hidden=False, depth=0)


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text without characters that databases refuse, truncated to `limit` characters."""
    if text.isascii() and "\0" not in text:
        return text[:limit]
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def is_hidden(name: str) -> bool:
    """Return whether a name denotes a secret: it contains a word such as "password", "secret", "token" or "key"."""
    return _denotes_secret(name) if len(name) <= _NAME_CACHED else _denotes_secret.__wrapped__(name)


@functools.lru_cache(maxsize=1024)
def _denotes_secret(name: str) -> bool:
    return any(word.lower() in _HIDDEN for word in _WORDS.findall(name))


def _clean(value: object, *, hidden: bool, depth: int) -> object:
    # guard: A54 values with a secret's name are masked
    if value.__class__ is str:  # the fast path: nearly every value is a text
        return clean_text(value) if not hidden else STARS if value else ""
    if value is None or isinstance(value, bool | Secret) or depth > DEPTH_LIMIT:
        return value if value is None or isinstance(value, bool) else STARS
    if value.__class__ is dict or isinstance(value, Mapping):
        return {
            clean_text(str(name)): _clean(item, hidden=hidden or is_hidden(str(name)), depth=depth + 1)
            for name, item in list(value.items())[:ITEM_LIMIT]
        }
    if isinstance(value, AbstractSet):
        value = sorted(value, key=str)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_clean(item, hidden=hidden, depth=depth + 1) for item in value[:ITEM_LIMIT]]
    if hidden or isinstance(value, bytes):
        return STARS if value not in {"", b""} else ""
    return _number(value) if isinstance(value, int | float) else clean_text(str(value))


def _number(value: float) -> float | str:
    return value if math.isfinite(value) and abs(value) <= _EXACT else str(value)
