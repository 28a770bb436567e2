"""The one session that outlives a change of its person's password: the one in which it was changed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

_KEPT: Final[ContextVar[bytes | None]] = ContextVar("ostiary.kept_session", default=None)


@contextlib.contextmanager
def keeping(key: bytes) -> Iterator[None]:
    """Keep the session of that key while statements are made that end the sessions of its person."""
    token = _KEPT.set(key)
    try:
        yield
    finally:
        _KEPT.reset(token)


def kept() -> bytes | None:
    """Return the key of the session that is kept, if any."""
    return _KEPT.get()
