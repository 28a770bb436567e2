"""base64url without padding (RFC 7515, section 2 and appendix C), read strictly: one text for each value."""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode
from typing import Final

from ostiary.proto.jose.errors import MalformedToken

_FOR_URLS: Final = bytes.maketrans(b"+/", b"-_")
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]*")


def base64url_encode(data: bytes) -> str:
    """Return base64url text without padding."""
    return binascii.b2a_base64(data, newline=False).translate(_FOR_URLS, b"=").decode("ascii")


def base64url_decode(text: str) -> bytes:
    """Return the bytes of base64url text without padding. Raises MalformedToken, also for a non-canonical ending."""
    if not _ALPHABET.fullmatch(text):
        raise MalformedToken("expected base64url without padding")
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise MalformedToken("expected base64url without padding") from error
    if base64url_encode(data) != text:
        raise MalformedToken("expected the canonical base64url of its bytes")
    return data
