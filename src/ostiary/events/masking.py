"""The masking of an event's context: plain JSON of bounded size, without secrets.

A `Secret` becomes stars whatever its name; a value under a name such as "password" or "client_secret" becomes stars
whatever its type. Characters a database cannot store (NUL, lone surrogates) are replaced, so that an event never fails.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ostiary.seal import STARS, Secret

TEXT_LIMIT: Final = 4096  # characters of one text
ITEM_LIMIT: Final = 256  # items of one list or mapping
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
_NAME_CACHED: Final = 64  # characters of the longest name that is cached
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+")
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")


def cleanse(value: object) -> object:
    """Return a masked copy of `value`, which may be stored and shown to every auditor."""
    return _clean(value, hidden=False, depth=0)


def clean_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return the text, cut to `limit` characters, with the characters replaced that databases refuse."""
    if text.isascii() and "\0" not in text:
        return text[:limit]
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def is_hidden(name: str) -> bool:
    """Return whether a name denotes a secret: one of its words is "password", "secret", "token", "key"..."""
    return _denotes_secret(name) if len(name) <= _NAME_CACHED else _denotes_secret.__wrapped__(name)


@functools.lru_cache(maxsize=1024)
def _denotes_secret(name: str) -> bool:
    return any(word.lower() in _HIDDEN for word in _WORDS.findall(name))


def _clean(value: object, *, hidden: bool, depth: int) -> object:
    # guard: A54 values with a secret's name are masked
    if value.__class__ is str:  # nearly every value is a text: the fast path
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
