"""One-time passwords: HOTP (RFC 4226) and TOTP (RFC 6238), and the otpauth URI of the QR code.

Pure: no clock, no storage. The caller rejects counters that were used before.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Final
from urllib.parse import quote, urlencode

KEY_BYTES: Final = 20  # RFC 4226, section 4, R6: 160 bits are recommended
_SECOND: Final = 1_000_000


def hotp(key: bytes, counter: int, digits: int) -> str:
    """Return the code of a counter (RFC 4226, section 5.3), with leading zeros."""
    digest = hmac.digest(key, counter.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**digits).zfill(digits)


def counter_at(now: int, *, step: int = 30, t0: int = 0) -> int:
    """Return the counter T (RFC 6238, section 4.2). `now` is microseconds UTC, `step` and `t0` are seconds."""
    return (now // _SECOND - t0) // step


def match(
    key: bytes,
    code: str,
    *,
    now: int,
    digits: int = 6,
    step: int = 30,
    t0: int = 0,
    tolerance: int = 1,
    drift: int = 0,
) -> int | None:
    """Return the counter of a code within `tolerance` steps of now plus `drift` steps, or None.

    Every candidate is compared in constant time, and all of them are compared (RFC 6238, section 5.2).
    """
    digits_typed = code.strip().replace(" ", "")
    if len(digits_typed) != digits or not digits_typed.isascii() or not digits_typed.isdigit():
        return None
    center = counter_at(now, step=step, t0=t0) + drift
    matched: int | None = None
    for counter in range(max(center - tolerance, 0), center + tolerance + 1):
        if hmac.compare_digest(hotp(key, counter, digits), digits_typed):
            matched = counter
    return matched


def config_url(key: bytes, *, account: str, issuer: str, digits: int = 6, step: int = 30) -> str:
    """Return the otpauth URI for a QR code. Its label is "issuer:account", or the account without an issuer."""
    label = quote(f"{issuer}:{account}" if issuer else account, safe="@:")
    query = {"secret": base32(key), "algorithm": "SHA1", "digits": str(digits), "period": str(step)}
    if issuer:
        query["issuer"] = issuer
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote)}"


def base32(key: bytes) -> str:
    """Return the key in base32 without padding, for typing (RFC 4648, section 6)."""
    return base64.b32encode(key).decode("ascii").rstrip("=")
